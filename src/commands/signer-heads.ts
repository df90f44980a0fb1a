import { readFile, writeFile } from 'node:fs/promises'
import {
  confirmHeads,
  confirmRequestJson,
  confirmRequestSchema,
  type SignerHead,
} from '../approval/index.ts'
import { digest } from '../lib/ids.ts'
import { systemClock } from '../lib/time.ts'
import { newestHead, storeHead } from '../payouts/index.ts'
import { CommandError, needOption, parseOptions, say, sayPlain } from './command.ts'
import { readOperatorSecret } from './operator-key.ts'
import { requireConfig } from './pool-config.ts'
import { requireSignerClient } from './signer-access.ts'
import { withDatabase } from './with-database.ts'

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
  const secret = await readOperatorSecret(needOption(options.key, '--key FILE'))
  const out = needOption(options.out, '--out ACT_FILE')
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
  const act = confirmRequestSchema.safeParse(
    await readJson(needOption(options.act, '--act ACT_FILE')),
  )
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

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
