import { execFile, spawn } from 'node:child_process'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { operatorKeyOf } from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { freePort } from '../lib/free-port.ts'
import type { Random } from '../lib/random.ts'
import type { DevnetLightning } from './devnet-lightning.ts'
import { regtestRules } from './regtest-config.ts'

const run = promisify(execFile)
const MAIN = join(import.meta.dirname, '../main.ts')
const HOST = '127.0.0.1'
const CHANNEL_KEY_BYTES = 32
const FOREVER = '2999-01-01T00:00:00Z'
/** It has nothing to finish: what it was about to do is on its disk. */
const STOP_MS = 10_000

/** A signer host, here on the pool's own machine: it alone can pay over Lightning. */
export type DemoSigner = {
  /** For the pool's configuration. */
  readonly access: { readonly host: string; readonly port: number; readonly keyFile: string }
  /** Starts it with these people as those whose approvals it takes. */
  readonly start: (operatorSecrets: readonly Uint8Array[]) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Makes its place and its channel's key; it starts when it is known who approves. */
export async function demoSigner(options: {
  readonly dir: string
  readonly lightning: DevnetLightning
  readonly approvals: number
  readonly random: Random
}): Promise<DemoSigner> {
  const { dir, lightning, approvals, random } = options
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const at = (name: string) => join(dir, name)
  const access = { host: HOST, port: await freePort(), keyFile: at('channel.key') }
  await writeFile(access.keyFile, toHex(random.bytes(CHANNEL_KEY_BYTES)), { mode: 0o600 })
  const stops: (() => Promise<void>)[] = []
  return {
    access,
    start: async secrets => {
      const signer = (...args: readonly string[]) =>
        run(process.execPath, [MAIN, 'signer', ...args])
      const seed = at('seed')
      const { stdout } = await signer('keygen', '--network', 'regtest', '--out', seed)
      const [descriptor] = stdout.split('\n')
      const config = {
        ...{ network: 'regtest', listen: access, memory: at('memory') },
        wallets: { hot: { descriptor, seedFile: seed } },
        lightning: { lnd: lightning.pay, resolver: lightning.payee.resolver },
        policy: { ...regtestRules(approvals), operators: secrets.map(operatorOf) },
      }
      await writeFile(at('signer.json'), JSON.stringify(config, null, 2))
      await signer('init', '--config', at('signer.json'))
      stops.push(await startProcess(at('signer.json'), at('signer.log')))
    },
    stop: async () => {
      for (const stop of stops) await stop()
    },
  }
}

function operatorOf(secret: Uint8Array, index: number): object {
  const keys = [{ key: operatorKeyOf(secret), notAfter: FOREVER }]
  return { alias: `approver-${index + 1}`, roles: ['approver'], keys }
}

/** It ends by itself when this process is gone. @returns what stops it */
async function startProcess(config: string, logFile: string): Promise<() => Promise<void>> {
  const log = await open(logFile, 'w', 0o600)
  const child = spawn(process.execPath, [MAIN, 'signer', '--config', config], {
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  })
  await log.close()
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  return async () => {
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await ended
    clearTimeout(killer)
  }
}
