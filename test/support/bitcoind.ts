import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type Bitcoind, startBitcoind } from '../../src/devnet/bitcoind.ts'
import { callNode, type NodeRpc } from '../../src/devnet/node-rpc.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'

/** Regtest pays to this script when a test does not care who is paid: witness version 1, empty. */
const NOBODY = 'raw(51)'

/** What a test asks a node on regtest, whoever started it. */
export type NodeCalls = {
  readonly rpc: NodeRpc
  /** Any RPC; the result is as JSON gives it. */
  readonly cli: (method: string, ...params: readonly unknown[]) => Promise<unknown>
  /** An RPC whose result is a text: an address, a hash, hex. */
  readonly cliText: (method: string, ...params: readonly unknown[]) => Promise<string>
  /** Mines blocks on the spot, to an address or else to nobody. Returns their hashes. */
  readonly mine: (count: number, address?: string) => Promise<readonly string[]>
}

/** A node of a test file's own, with an empty chain. */
export type TestNode = Bitcoind &
  NodeCalls & {
    /** Where its settings are. */
    readonly dir: string
    /** Stops the node and removes its folder. */
    readonly remove: () => Promise<void>
  }

/** Call it in `beforeAll` and its `remove` in `afterAll`. */
export async function testNode(
  options: { readonly relaysNonStandard?: boolean } = {},
): Promise<TestNode> {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-test-node-'))
  const log = createLog('test', 'silent')
  const node = await startBitcoind({ ...options, dir, log, random: systemRandom })
  return {
    ...node,
    ...nodeCalls(node.rpc),
    dir,
    remove: async () => {
      await node.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** The calls of a node that runs. */
export function nodeCalls(rpc: NodeRpc): NodeCalls {
  const cli: NodeCalls['cli'] = (method, ...params) => callNode(rpc, method, ...params)
  return {
    rpc,
    cli,
    cliText: async (method, ...params) => z.string().parse(await cli(method, ...params)),
    mine: async (count, address) => {
      const blocks = address
        ? cli('generatetoaddress', count, address)
        : cli('generatetodescriptor', count, NOBODY)
      return z.array(z.string()).parse(await blocks)
    },
  }
}
