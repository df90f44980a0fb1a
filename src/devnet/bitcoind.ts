import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { toHex } from '../lib/bytes.ts'
import { freePort } from '../lib/free-port.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { findBitcoind } from './bitcoind-binary.ts'
import { callNode, type NodeRpc } from './node-rpc.ts'
import { runServer, type ServerProcess } from './server-process.ts'

const USER = 'sidepool'
/** Each time with other ports, since one may be lost between its choice and its use. */
const STARTS_MAX = 3

/** A real node on regtest, alone in its network. */
export type Bitcoind = ServerProcess & {
  /** Holds the password: never log it. */
  readonly rpc: NodeRpc
  readonly rpcPort: number
  /** Publishes `hashblock`. */
  readonly zmqHashBlockUrl: string
  readonly version: string
}

/**
 * Starts a node on regtest: loopback only, no peers, all transactions indexed, and a fee to fall
 * back on, since a fresh chain gives no estimate. Makes no wallet and no block.
 *
 * @param dir the node's data folder; a chain that is in it goes on
 * @param relaysNonStandard takes outputs that no ordinary wallet makes, as a node of a network with
 *   sidechains does for their treasuries; off unless said otherwise
 */
export async function startBitcoind(options: {
  readonly dir: string
  readonly relaysNonStandard?: boolean
  readonly log: Log
  readonly random: Random
}): Promise<Bitcoind> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const { bitcoind, version } = await findBitcoind(options)
  const password = toHex(options.random.bytes(24))
  // In a file, because anyone on the machine can read the arguments of a process.
  const config = `rpcuser=${USER}\nrpcpassword=${password}\n`
  await writeFile(join(dir, 'bitcoin.conf'), config, { mode: 0o600 })

  for (let start = 1; ; start++) {
    const [rpcPort, zmqPort] = [await freePort(), await freePort()]
    const rpc = { url: `http://127.0.0.1:${rpcPort}`, user: USER, password }
    const zmqHashBlockUrl = `tcp://127.0.0.1:${zmqPort}`
    try {
      const process = await runServer({
        name: 'bitcoind',
        dir,
        program: bitcoind,
        args: [
          ...argumentsFor(dir, rpcPort, zmqHashBlockUrl),
          ...(options.relaysNonStandard ? ['-acceptnonstdtxn=1'] : []),
        ],
        answers: async () => (await callNode(rpc, 'getblockchaininfo').catch(() => null)) !== null,
      })
      options.log.info({ pid: process.pid(), rpcPort, version }, 'bitcoind started on regtest')
      return { ...process, rpc, rpcPort, zmqHashBlockUrl, version }
    } catch (error) {
      if (start === STARTS_MAX) throw error
    }
  }
}

function argumentsFor(dir: string, rpcPort: number, zmqHashBlockUrl: string): string[] {
  return [
    `-datadir=${dir}`,
    '-regtest',
    '-server',
    '-listen=0',
    '-connect=0',
    '-dnsseed=0',
    '-rpcbind=127.0.0.1',
    '-rpcallowip=127.0.0.1',
    `-rpcport=${rpcPort}`,
    // A long poll keeps its thread until the tip or the mempool changes, also when whoever asked
    // was killed, and on an idle regtest nothing changes.
    '-rpcthreads=64',
    '-rpcworkqueue=128',
    `-zmqpubhashblock=${zmqHashBlockUrl}`,
    '-txindex',
    '-fallbackfee=0.0001',
    '-printtoconsole=0',
  ]
}
