import { z } from 'zod'
import { CommandError, parseOptions, say, sayPlain } from './command.ts'
import { askOnTerminal } from './terminal.ts'
import { WITHDRAWAL_WARNING } from './treasury-acts.ts'
import { ask, posting, treasuryUrl } from './treasury-client.ts'
import {
  expectWords,
  need,
  parseDigits,
  readToken,
  takeYes,
  type Verb,
} from './treasury-options.ts'

export const FLOAT_HELP = `treasury floats --api URL --token-file FILE
treasury consolidate --wallet hot|cold --api URL --token-file FILE
treasury transfer --from hot|cold --sats N --api URL --token-file FILE
treasury child BATCH --api URL --token-file FILE
treasury deposit SATS [--from hot|cold] --api URL --token-file FILE
treasury channel SATS [--from hot|cold] --api URL --token-file FILE
treasury withdraw SATS --api URL --token-file FILE [--yes]`

/** What each wallet holds, and batches that pay nobody but ourselves. */
export const FLOAT_VERBS: Readonly<Record<string, Verb>> = {
  floats: runFloats,
  consolidate: runConsolidate,
  transfer: runTransfer,
  child: runChild,
  deposit: args => runMove(args, 'deposit'),
  channel: args => runMove(args, 'channel'),
  withdraw: runWithdraw,
}

const floats = z.object({
  items: z.array(
    z.object({
      rail: z.string(),
      wallet: z.string(),
      ledgerMsat: z.string(),
      chainSats: z.string(),
      reservedSats: z.string(),
      onTheWaySats: z.string(),
      foreignSats: z.string(),
      checkedMs: z.number(),
      finding: z.string().nullable(),
    }),
  ),
  moves: z.array(
    z.object({
      bridge: z.string(),
      batch: z.string(),
      amountSats: z.string(),
      state: z.string(),
      changedMs: z.number(),
    }),
  ),
  withdrawals: z.array(
    z.object({
      bridge: z.string(),
      batch: z.string(),
      amountSats: z.string(),
      state: z.string(),
      nextStep: z.string(),
      changedMs: z.number(),
    }),
  ),
})
const planned = z.object({ batch: z.string().nullable(), reason: z.string().nullable() })

const API = ['api', 'token-file'] as const
type ApiOptions = Partial<Record<(typeof API)[number], string>>

/** Where the API is, and a header that opens it. */
async function openApi(options: ApiOptions) {
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  const url = treasuryUrl(need(options.api, '--api URL'))
  return { url, headers: { authorization: `Bearer ${token}` } }
}

async function runFloats(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, API)
  expectWords(words, 0)
  const { url, headers } = await openApi(options)
  const reply = await ask(`${url}/floats`, { headers }, floats)
  if (reply.kind === 'refused') return refuse(reply.reason)
  if (reply.value.items.length === 0) say('no wallet was compared with the books yet')
  for (const float of reply.value.items) {
    sayPlain(
      `${float.rail}, ${float.wallet} wallet, compared at ${new Date(float.checkedMs).toISOString()}:`,
    )
    sayPlain(`  ledger      ${float.ledgerMsat} msat`)
    sayPlain(`  chain       ${float.chainSats} sat, of which batches hold ${float.reservedSats}`)
    sayPlain(`  on the way  ${float.onTheWaySats} sat, so that chain and this make the ledger`)
    sayPlain(`  foreign     ${float.foreignSats} sat, never spent and never counted`)
    sayPlain(`  comparison  ${float.finding ?? 'books and wallet agree'}`)
  }
  for (const { bridge, batch, amountSats, state, changedMs } of reply.value.moves) {
    const at = new Date(changedMs).toISOString()
    sayPlain(`to ${bridge}: ${amountSats} sat of batch ${batch}, ${state} since ${at}`)
  }
  for (const { bridge, batch, amountSats, state, ...of } of reply.value.withdrawals) {
    const at = new Date(of.changedMs).toISOString()
    sayPlain(`from ${bridge}: ${amountSats} sat of batch ${batch}, ${state} since ${at}`)
    sayPlain(`  next        ${of.nextStep}`)
  }
  return reply.value.items.every(({ finding }) => finding === null) ? 0 : 1
}

async function runConsolidate(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['wallet', ...API])
  expectWords(words, 0)
  return plan(options, 'consolidate', { wallet: parseWallet(options.wallet, '--wallet') })
}

async function runTransfer(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['from', 'sats', ...API])
  expectWords(words, 0)
  const from = parseWallet(options.from, '--from')
  return plan(options, 'transfer', { from, amountSats: parseDigits(options.sats, '--sats N') })
}

async function runChild(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, API)
  expectWords(words, 1)
  return plan(options, `batches/${parseDigits(words[0], 'a batch')}/child`, {})
}

/** To another rail. */
async function runMove(args: readonly string[], path: 'deposit' | 'channel'): Promise<number> {
  const { options, words } = parseOptions(args, ['from', ...API])
  expectWords(words, 1)
  const from = parseWallet(options.from ?? 'hot', '--from')
  const amountSats = parseDigits(words[0], 'an amount in satoshis')
  return plan(options, path, { from, amountSats })
}

async function runWithdraw(args: readonly string[]): Promise<number> {
  const { isSure, rest } = takeYes(args)
  const { options, words } = parseOptions(rest, API)
  expectWords(words, 1)
  const amountSats = parseDigits(words[0], 'an amount in satoshis')
  for (const line of WITHDRAWAL_WARNING) say(line)
  if (!isSure && !(await askOnTerminal(`plan a withdrawal of ${amountSats} sat?`)))
    return refuse('nothing was planned')
  return plan(options, 'withdraw', { amountSats })
}

/** @returns the exit code: 1 where nothing was planned */
async function plan(options: ApiOptions, path: string, body: object): Promise<number> {
  const { url, headers } = await openApi(options)
  const post = posting(body)
  const request = { ...post, headers: { ...post.headers, ...headers } }
  const reply = await ask(`${url}/${path}`, request, planned)
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  const { batch, reason } = reply.value
  if (batch === null) return refuse(`nothing was planned: ${reason}`)
  sayPlain(`batch ${batch} is planned; others than you approve it`)
  return 0
}

function parseWallet(text: string | undefined, option: string): string {
  if (text === 'hot' || text === 'cold') return text
  throw new CommandError(`${option} is hot or cold`)
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
