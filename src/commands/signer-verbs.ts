import { readFile, writeFile } from 'node:fs/promises'
import type { Network } from '../lib/bitcoin/network.ts'
import { toHex } from '../lib/bytes.ts'
import { digest } from '../lib/ids.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import { newestHead, storeHead } from '../payouts/index.ts'
import { accountDescriptors, cosignerKey, createMemory, thunderWallet } from '../signer/index.ts'
import {
  confirmHeads,
  confirmRequestJson,
  confirmRequestSchema,
  type SignerHead,
} from '../treasury/index.ts'
import { CommandError, parseOptions, requireConfig, say, sayPlain } from './command.ts'
import { parseNetwork } from './descriptor-file.ts'
import { readOperatorSecret } from './operator-key.ts'
import { readSecret, writeSecret } from './secret-file.ts'
import { requireSignerClient } from './signer-access.ts'
import { explainMemory, requireSignerConfig } from './signer-run.ts'
import { withDatabase } from './with-database.ts'

/** Makes a seed and prints the descriptors that a watch-only wallet is made from. */
export async function runKeygen(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['network', 'out', 'thunder'])
  const network = parseNetwork(options.network)
  const seed = systemRandom.bytes(32)
  await writeSecret(need(options.out, '--out FILE'), seed)
  return sayPublic(seed, network, options.thunder)
}

/** Prints the same of a seed that is there: one that came back from paper must give the same keys. */
export async function runPublic(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['network', 'seed', 'thunder'])
  const network = parseNetwork(options.network)
  return sayPublic(await readSecret(need(options.seed, '--seed FILE')), network, options.thunder)
}

function sayPublic(seed: Uint8Array, network: Network, thunder = '1'): number {
  const count = /^[1-9]\d?$/.test(thunder) ? Number(thunder) : 0
  if (count === 0) throw new CommandError('--thunder is a number of addresses from 1 to 99')
  const { wpkh, tr } = accountDescriptors(seed, network)
  say(wpkh)
  say(tr)
  say(`as one key of a multisig: ${cosignerKey(seed, network)}`)
  for (const address of thunderWallet(seed, count).keys()) say(`on Thunder: ${address}`)
  return 0
}

/** Makes the memory of a signer that has never signed. */
export async function runInit(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['config'])
  const { memory, network } = await requireSignerConfig(options.config)
  const name = toHex(systemRandom.bytes(32))
  await createMemory(memory, { network, name, clock: systemClock }).catch(explainMemory)
  say(`${memory} is a fresh memory for ${network}; never make one for a pool that has had another`)
  return 0
}

/** Asks a signer where it stands, as the pool does. */
export async function runStatus(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['config'])
  const config = requireConfig(options.config)
  const client = await requireSignerClient(config)
  return withDatabase(config, async db => {
    const head = await newestHead(db)
    const status = await client.status({ head })
    if (status.kind === 'no answer') return refuse(status.reason)
    sayPlain(`network   ${status.value.network}`)
    sayPlain(`signer    ${headText(status.value.head)}`)
    sayPlain(`pool      ${head === null ? 'has no head on record' : headText(head)}`)
    sayPlain(`signs     ${status.value.refuses === null ? 'yes' : `no: ${status.value.refuses}`}`)
    return status.value.refuses === null ? 0 : 1
  })
}

/** Signs, on an approver's own machine, that a signer may go on; the act is for `signer relay`. */
export async function runConfirm(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['signer', 'pool', 'key', 'out'])
  const pair = { signer: parseHead(options.signer), pool: parseHead(options.pool) }
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const out = need(options.out, '--out ACT_FILE')
  const act = `${confirmRequestJson(confirmHeads(secret, pair))}\n`
  await writeFile(out, act, { flag: 'wx' }).catch((error: Error) => {
    throw new CommandError(`${out} cannot be written: ${error.message}`)
  })
  say(`${out} lets the signer go on from ${headText(pair.signer)}`)
  return 0
}

/** Brings an act to the signer and keeps the head that it answers with. */
export async function runRelay(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['act', 'config'])
  const config = requireConfig(options.config)
  const act = confirmRequestSchema.safeParse(await readJson(need(options.act, '--act ACT_FILE')))
  if (!act.success) throw new CommandError(`${options.act} is no act of signer confirm`)
  const client = await requireSignerClient(config)
  return withDatabase(config, async db => {
    const reply = await client.confirm(act.data)
    if (reply.kind === 'no answer') return refuse(reply.reason)
    if (reply.value.kind === 'refused') return refuse(reply.value.reason)
    const stored = await storeHead(db, reply.value.head, systemClock.now())
    if (stored !== null) return refuse(stored)
    sayPlain(`the signer goes on from ${headText(reply.value.head)}`)
    return 0
  })
}

function headText({ position, hash }: SignerHead): string {
  return `${position}:${hash}`
}

function parseHead(text: string | undefined): SignerHead {
  const [, position, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text ?? '') ?? []
  if (position === undefined || hash === undefined)
    throw new CommandError('a head is written POSITION:HASH, as signer status prints it')
  return { position: Number(position), hash: digest(hash) }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    throw new CommandError(`${path} cannot be read as JSON`)
  }
}

function need(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new CommandError(`${option} is missing`)
  return value
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
