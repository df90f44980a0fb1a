import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { freePort } from '../lib/free-port.ts'
import type { Log } from '../lib/log.ts'
import { connectLnd, type LndAccess, type LndConnection } from '../lib/nodes/lnd-grpc-client.ts'
import type { Program } from './apt-unpack.ts'
import type { NodeRpc } from './node-rpc.ts'
import { runServer, type ServerProcess } from './server-process.ts'

/** Each time with other ports, since one may be lost between its choice and its use. */
const STARTS_MAX = 3
const ANSWER_TIMEOUT_MS = 5000

/** A real lnd on regtest, with a wallet that nobody has the seed of. */
export type Lnd = ServerProcess & {
  /** With the macaroon that may do anything. */
  readonly access: LndAccess
  readonly publicKey: string
  /** `host:port` where its peers find it. */
  readonly peerSocket: string
}

/**
 * Starts lnd on a node of regtest, on the loopback interface only. The wallet has no password and no
 * backup, as coins of regtest need none.
 *
 * @param dir its folder; channels that are in it go on
 */
export async function startLnd(options: {
  readonly dir: string
  readonly program: Program
  readonly bitcoind: NodeRpc
  readonly log: Log
}): Promise<Lnd> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  for (let start = 1; ; start++) {
    const [rpcPort, peerPort] = [await freePort(), await freePort()]
    const config = configuration({ bitcoind: options.bitcoind, rpcPort, peerPort })
    // In a file, because anyone on the machine can read the arguments of a process.
    await writeFile(join(dir, 'lnd.conf'), config, { mode: 0o600 })
    const probe = infoProbe(dir, rpcPort)
    try {
      const args = [`--lnddir=${dir}`]
      const answers = async () => (await probe()) !== null
      const process = await runServer({ name: 'lnd', dir, program: options.program, args, answers })
      const access = await accessTo(dir, rpcPort)
      const publicKey = await probe()
      if (publicKey === null) throw new Error('lnd went away as soon as it was there')
      options.log.info({ pid: process.pid(), rpcPort, publicKey }, 'lnd started on regtest')
      return { ...process, access, publicKey, peerSocket: `127.0.0.1:${peerPort}` }
    } catch (error) {
      if (start === STARTS_MAX) throw error
    }
  }
}

function configuration(at: {
  readonly bitcoind: NodeRpc
  readonly rpcPort: number
  readonly peerPort: number
}): string {
  return `[Application Options]
listen=127.0.0.1:${at.peerPort}
rpclisten=127.0.0.1:${at.rpcPort}
norest=true
nobootstrap=true
noseedbackup=true
; News of channels go round at once, in place of every 90 seconds.
trickledelay=50
[protocol]
; Channels that carry what a block of regtest pays.
protocol.wumbo-channels=true
[Bitcoin]
bitcoin.regtest=true
bitcoin.node=bitcoind
[Bitcoind]
bitcoind.rpchost=${new URL(at.bitcoind.url).host}
bitcoind.rpcuser=${at.bitcoind.user}
bitcoind.rpcpass=${at.bitcoind.password}
bitcoind.rpcpolling=true
bitcoind.blockpollinginterval=100ms
bitcoind.txpollinginterval=100ms
`
}

async function accessTo(dir: string, rpcPort: number): Promise<LndAccess> {
  const [cert, macaroon] = await Promise.all([
    readFile(join(dir, 'tls.cert')),
    readFile(join(dir, 'data/chain/bitcoin/regtest/admin.macaroon')),
  ])
  // TLS has names for servers, and none that is an address.
  return { socket: `localhost:${rpcPort}`, cert, macaroon }
}

const info = z.object({ identity_pubkey: z.string() })

/** Asks for its public key; null while it is starting. Reading the protocol is slow: done once. */
function infoProbe(dir: string, rpcPort: number): () => Promise<string | null> {
  let connection: LndConnection | null = null
  const call = { service: 'default', method: 'getInfo', request: {} } as const
  return async () => {
    try {
      connection ??= connectLnd(await accessTo(dir, rpcPort))
      const reply = await connection.call(info, { ...call, timeoutMs: ANSWER_TIMEOUT_MS })
      return reply.identity_pubkey
    } catch {
      return null
    }
  }
}
