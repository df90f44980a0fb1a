import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { operatorKeyOf } from '../../src/approval/index.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { freePort } from '../../src/lib/free-port.ts'
import { type SignerClient, signerClient } from '../../src/payouts/signer-client.ts'
import { runCommand } from '../commands/child.ts'
import { KEYS, type Person } from './world.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const CHANNEL_KEY = new Uint8Array(32).fill(0x33)
const HOST = '127.0.0.1'
const START_MS_MAX = 120_000
const FOREVER = '2999-01-01T00:00:00Z'

/** A signer as it runs on a host of its own: the real program, its files, its port. */
export type SignerHost = {
  readonly client: SignerClient
  /** The same through something that stands in front of its port. */
  readonly clientAt: (port: number) => SignerClient
  readonly access: { readonly host: string; readonly port: number; readonly keyFile: string }
  /** Of the wallet in its configuration. */
  readonly descriptor: string
  /** What `signer keygen` printed. */
  readonly descriptors: { readonly wpkh: string; readonly tr: string }
  /** The first address on Thunder, which it printed too. */
  readonly thunderAddress: string
  readonly files: {
    readonly dir: string
    readonly config: string
    readonly memory: string
    readonly seed: string
  }
  /** Resolves when it listens; rejects with what it said when it ends first. */
  readonly start: () => Promise<void>
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  readonly log: () => string
  readonly remove: () => Promise<void>
}

/** What differs from a wallet of one key that two people pay from. */
export type HostChoices = {
  /** As in its configuration. */
  readonly policy?: object
  /** Makes the wallet's descriptor of this host's key as one of several. */
  readonly descriptorOf?: (cosigner: string) => string
  /** As in its configuration; without it, nothing is paid over Lightning. */
  readonly lightning?: object
  /** Of its process, beside the test's own. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Makes seed, memory and configuration by the commands an operator uses. Starts nothing yet. */
export async function signerHost(
  kind: 'wpkh' | 'tr' = 'wpkh',
  { policy = policyJson(), descriptorOf, lightning, environment = {} }: HostChoices = {},
): Promise<SignerHost> {
  const dir = mkdtempSync(join(tmpdir(), 'sidepool-test-host-'))
  const at = (name: string) => join(dir, name)
  const files = { dir, config: at('signer.json'), memory: at('memory'), seed: at('seed') }
  const access = { host: HOST, port: await freePort(), keyFile: at('channel') }
  writeFileSync(access.keyFile, toHex(CHANNEL_KEY), { mode: 0o600 })
  const said = await must('signer', 'keygen', '--network', 'regtest', '--out', files.seed)
  const [wpkh = '', tr = '', multisig = '', thunder = ''] = said.trim().split('\n')
  const single = kind === 'wpkh' ? wpkh : tr
  const descriptor = descriptorOf?.(multisig.replace(/^.*: /, '')) ?? single
  const config = {
    network: 'regtest',
    listen: access,
    memory: files.memory,
    wallets: { hot: { descriptor, seedFile: files.seed } },
    thunder: { seedFile: files.seed, addresses: 2 },
    ...(lightning && { lightning }),
    policy,
  }
  writeFileSync(files.config, JSON.stringify(config))
  await must('signer', 'init', '--config', files.config)
  let child: ChildProcess | null = null
  let log = ''

  const start = async () => {
    const started = spawn(process.execPath, [MAIN, 'signer', '--config', files.config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    })
    child = started
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const from = log.length
    started.stderr.on('data', chunk => {
      log += chunk
      if (log.slice(from).includes('is listening')) resolve()
    })
    started.once('exit', () => reject(new Error(log.slice(from))))
    const late = setTimeout(() => reject(new Error(`not ready:\n${log}`)), START_MS_MAX)
    await promise.finally(() => clearTimeout(late))
  }
  const kill = async () => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child?.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
  const clientAt = (port: number) => signerClient({ host: HOST, port, channelKey: CHANNEL_KEY })
  return {
    ...{ client: clientAt(access.port), clientAt, access, files },
    ...{ descriptor, descriptors: { wpkh, tr }, start, kill, log: () => log },
    thunderAddress: thunder.replace(/^.*: /, ''),
    remove: async () => {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function policyJson() {
  const person = (name: Person) => ({
    alias: name,
    roles: ['approver'],
    keys: [{ key: operatorKeyOf(KEYS[name]), notAfter: FOREVER }],
  })
  return {
    version: 1,
    operators: [person('alice'), person('bob')],
    bands: [
      { upToSats: '100000000', approvals: 1 },
      { upToSats: null, approvals: 2 },
    ],
    auto: null,
    limits: { perBatchSats: null, perDaySats: '1000000000', perDestinationPerDaySats: null },
    allowList: null,
  }
}

async function must(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(args)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
  return stdout
}
