import { DRIVECHAIN_OPCODES, type DrivechainOpcode } from '../../lib/bitcoin/drivechain.ts'
import type { Log } from '../../lib/log.ts'
import { type Clock, systemClock } from '../../lib/time.ts'
import type { NodeRpc } from '../node-rpc.ts'
import { type SimulatedEnforcer, startEnforcerSim } from './enforcer-sim.ts'
import type { ThunderVersion } from './thunder/methods.ts'
import { type SimulatedThunder, startThunderSim } from './thunder-sim.ts'

/** A simulated Thunder node and a simulated enforcer on a real node of regtest. */
export type Sidechain = {
  readonly thunder: SimulatedThunder
  readonly enforcer: SimulatedEnforcer
  /** Ends both; the node goes on. */
  readonly stop: () => Promise<void>
}

/**
 * Starts both on a regtest node that somebody else runs. Nothing of the sidechain outlives the
 * process, while the node's chain does: what a chain holds already is read again at the start, but
 * of old side blocks only the hashes are in it.
 *
 * The slot is not in use before miners have voted for it: `activateSlot` does that on the spot.
 *
 * @param rpc the node's; the simulated enforcer throws blocks out of it, and makes a wallet in it, so
 *   that whoever uses another one has to name it
 * @param version what the Thunder node is taken for; the newest unless said otherwise
 * @param opcode of OP_DRIVECHAIN; NOP5 unless said otherwise
 * @param addresses of the Thunder node; two unless said otherwise
 * @param enforcerHasWallet true unless said otherwise; without it Thunder cannot mine or deposit
 */
export async function startSidechain(options: {
  readonly rpc: NodeRpc
  readonly log: Log
  readonly version?: ThunderVersion
  readonly opcode?: DrivechainOpcode
  readonly addresses?: 'one' | 'two'
  readonly enforcerHasWallet?: boolean
  readonly clock?: Clock
}): Promise<Sidechain> {
  const { rpc, log } = options
  const enforcer = await startEnforcerSim({
    rpc,
    log,
    opcode: options.opcode ?? DRIVECHAIN_OPCODES.nop5,
    hasWallet: options.enforcerHasWallet ?? true,
    clock: options.clock ?? systemClock,
  })
  const thunder = await startThunderSim({
    enforcer: enforcer.parts,
    version: options.version ?? '0.17.2',
    addresses: options.addresses ?? 'two',
    log,
  })
  return {
    thunder,
    enforcer,
    async stop() {
      await thunder.stop()
      await enforcer.stop()
    },
  }
}
