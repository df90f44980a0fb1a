import { readFile } from 'node:fs/promises'
import { createLog } from '../lib/log.ts'
import { steadyClock, systemClock } from '../lib/time.ts'
import {
  createSigner,
  type DepositRules,
  MemoryTrouble,
  openMemory,
  parseSignerConfig,
  type SignerConfig,
  type SigningWallet,
  startSignerServer,
  type ThunderWallet,
  thunderWallet,
  walletKey,
} from '../signer/index.ts'
import { CommandError, needOption, parseOptions } from './command.ts'
import { readSecret } from './secret-file.ts'
import { lightningOf } from './signer-lightning.ts'
import { untilAskedToStop } from './supervise.ts'

/** Runs the signer until it is asked to stop. @returns the exit code */
export async function runSigner(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['config'])
  const config = await requireSignerConfig(options.config)
  const log = createLog('signer')
  const asked = untilAskedToStop()
  const channelKey = await readSecret(config.listen.keyFile)
  const wallets = await signingWallets(config)
  const thunder = await thunderKeys(config)
  const clock = steadyClock()
  const store = await openMemory(config.memory, clock).catch(explainMemory)
  let lightning: Awaited<ReturnType<typeof lightningOf>> = null
  try {
    lightning = await lightningOf(config, log)
    const { network, policy, deposits, channels } = config
    const clocks = { clock, wall: systemClock }
    const signer = createSigner({
      ...{ network, policy, wallets, thunder, channels, store, ...clocks, log },
      deposits: deposits && allowingOwn(deposits, thunder),
      lightning: lightning?.parts ?? null,
    })
    const { host, port } = config.listen
    const server = await startSignerServer({ host, port, channelKey, signer, log })
    log.info({ host, port: server.port, head: store.memory().head }, 'the signer is listening')
    await asked
    await server.stop()
  } finally {
    lightning?.close()
    await store.close()
  }
  return 0
}

/** Deposits may go to what is pinned, and to whatever this host itself has the key of. */
function allowingOwn(deposits: DepositRules, thunder: ThunderWallet | null): DepositRules {
  return { ...deposits, addresses: new Set([...deposits.addresses, ...(thunder?.keys() ?? [])]) }
}

/** The signer's configuration, or one error that lists everything wrong with it. */
export async function requireSignerConfig(given: string | undefined): Promise<SignerConfig> {
  const path = needOption(given, '--config FILE')
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
  const outcome = parseSignerConfig(text)
  if (outcome.kind === 'config') return outcome.config
  throw new CommandError(`${path} cannot be used:\n  ${outcome.errors.join('\n  ')}`)
}

/** What cannot be used is said in a line; anything else is a bug and shows its trace. */
export function explainMemory(error: unknown): never {
  throw error instanceof MemoryTrouble ? new CommandError(error.message) : error
}

async function signingWallets({ wallets }: SignerConfig) {
  const signing: Partial<Record<'hot' | 'cold', SigningWallet>> = {}
  for (const name of ['hot', 'cold'] as const) {
    const wallet = wallets[name]
    if (!wallet) continue
    const key = walletKey(wallet.descriptor, await readSecret(wallet.seedFile))
    if (key === null)
      throw new CommandError(`wallets.${name}: no key of its descriptor is of its seed`)
    signing[name] = { descriptor: wallet.descriptor, key }
  }
  return signing
}

async function thunderKeys({ thunder }: SignerConfig): Promise<ThunderWallet | null> {
  return thunder ? thunderWallet(await readSecret(thunder.seedFile), thunder.addresses) : null
}
