import { z } from 'zod'
import type { Treasury } from '../../../lib/bitcoin/drivechain.ts'
import { fromHex } from '../../../lib/bytes.ts'
import { type BlockHash, blockHash } from '../../../lib/ids.ts'
import type { NodeRpc } from '../../../lib/nodes/bitcoin-core-client.ts'
import { type EnforcerClient, EnforcerError } from '../../../lib/nodes/enforcer-client.ts'
import { isSame, type Outpoint } from '../../outpoint.ts'
import { type TreasuryView, treasuryCoin } from './deposit.ts'
import type { TreasuryCoin } from './transaction.ts'
import { hash } from './wallet-replies.ts'

/** What an enforcer says of a sidechain, of one moment. */
export type EnforcerView = {
  /** The newest block that it has judged. */
  readonly tip: BlockHash
  /** Before a sidechain is active, its treasury is anybody's. */
  readonly isActive: boolean
  /** The coin of its treasury (CTIP); null before the first deposit. */
  readonly treasury: Outpoint | null
}

/** Asks an enforcer for its view. Each answer is of its own moment, so its tip is asked first. */
export function enforcerViewOf(
  enforcer: EnforcerClient,
  slot: number,
): () => Promise<EnforcerView> {
  return async () => {
    const { hash: tip } = await enforcer.chainTip()
    const isActive = (await enforcer.sidechains()).some(sidechain => sidechain.slot === slot)
    return { tip, isActive, treasury: await enforcer.ctip(slot) }
  }
}

const made = z.string().regex(/^(?:[0-9a-f]{2})+$/)

/**
 * Asks an enforcer for the coin of a treasury, and the node for the transaction that made it: the
 * enforcer alone knows which coin it is, and nobody is believed about what it is worth. Nothing is
 * said while the two are at different blocks.
 *
 * @returns a question that throws node trouble; what it found last is remembered
 */
export function treasuryWatch(
  { call }: NodeRpc,
  enforcer: () => Promise<EnforcerView>,
  script: Treasury,
): () => Promise<TreasuryView> {
  let last: TreasuryCoin | null = null
  return async () => {
    const view = await orRefusal(enforcer)
    if (view instanceof EnforcerError) return waits(`the enforcer said: ${view.message}`)
    const { tip, isActive, treasury } = view
    const best = hash.transform(blockHash).parse(await call('getbestblockhash', []))
    if (tip !== best) return waits('the enforcer and the node are at different blocks')
    if (!isActive) return waits(`no sidechain is active in slot ${script.slot}`)
    if (treasury === null) return { kind: 'treasury', coin: null }
    if (last === null || !isSame(last, treasury)) {
      const madeBy = await makerOf(call, treasury)
      last = madeBy === null ? null : treasuryCoin(madeBy, treasury, script)
    }
    if (last === null) return waits('the node does not have the treasury that the enforcer names')
    return { kind: 'treasury', coin: last }
  }
}

/** What it refuses to say it may say later. */
async function orRefusal<T>(ask: () => Promise<T>): Promise<T | EnforcerError> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof EnforcerError) return error
    throw error
  }
}

function waits(reason: string): TreasuryView {
  return { kind: 'waits', reason }
}

/** The whole transaction that made an unspent coin: found by its depth, so that no index is needed. */
async function makerOf(
  call: NodeRpc['call'],
  { txid, vout }: Outpoint,
): Promise<Uint8Array | null> {
  const reply = await call('gettxout', [txid, vout, false])
  if (reply === null) return null
  const { bestblock, confirmations } = z
    .object({ bestblock: hash, confirmations: z.int().positive() })
    .parse(reply)
  const header = z.object({ height: z.int() }).parse(await call('getblockheader', [bestblock]))
  const block = await call('getblockhash', [header.height - confirmations + 1])
  return fromHex(made.parse(await call('getrawtransaction', [txid, false, block])))
}
