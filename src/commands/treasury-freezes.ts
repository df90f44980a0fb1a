import { z } from 'zod'
import { freezeActHash, parseOperatorKey, signFreezeAct } from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { digest, unixMs } from '../lib/ids.ts'
import { systemClock } from '../lib/time.ts'
import { CommandError, parseOptions, sayPlain } from './command.ts'
import { readOperatorSecret } from './operator-key.ts'
import { askOnTerminal } from './terminal.ts'
import { ask, posting, treasuryUrl } from './treasury-client.ts'
import { printLog } from './treasury-log.ts'
import {
  expectWords,
  need,
  parseDigits,
  parseReason,
  readToken,
  takeYes,
  type Verb,
} from './treasury-options.ts'

export const FREEZE_HELP = `treasury freeze RAIL|all --reason TEXT --key FILE --api URL
treasury unfreeze NUMBER --reason TEXT --key FILE --api URL --token-file FILE [--yes]
treasury freezes --api URL --token-file FILE
treasury log --api URL --token-file FILE [--after POSITION]`

export const FREEZE_VERBS: Readonly<Record<string, Verb>> = {
  freeze: runFreeze,
  unfreeze: runUnfreeze,
  freezes: runFreezes,
  log: runLog,
}

const network = z.object({ network: z.string() })
const given = z.object({ freeze: z.string(), holds: z.boolean() })
const freezes = z.object({
  items: z.array(
    z.object({
      freeze: z.string(),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      scope: z.string(),
      reason: z.string(),
      by: z.string().nullable(),
      operatorKey: z.string().nullable(),
      atMs: z.int().min(0),
      holds: z.boolean(),
      lifts: z.array(z.object({ by: z.string(), reason: z.string() })),
    }),
  ),
})
type Told = z.infer<typeof freezes>['items'][number]

/** Stops at once and asks nothing: what was frozen by mistake is lifted again. */
async function runFreeze(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'key', 'reason'])
  expectWords(words, 1)
  const scope = words[0] ?? ''
  if (!/^[a-z0-9-]{1,40}$/.test(scope)) throw new CommandError('a rail, for example l1, or all')
  const reason = parseReason(options.reason)
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const url = treasuryUrl(need(options.api, '--api URL'))
  const told = await ask(`${url}/join`, {}, network)
  if (told.kind === 'refused') return refuse(told.reason)
  const asked = { kind: 'freeze' as const, network: told.value.network, scope, reason }
  const { act, signature } = signFreezeAct(secret, { ...asked, at: systemClock.now() })
  const body = { operatorKey: act.by, atMs: act.at, scope, reason, signature: toHex(signature) }
  const reply = await ask(`${url}/freeze`, posting(body), given)
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  sayPlain(`freeze ${reply.value.freeze}: ${scope} plans, signs and sends nothing`)
  return 0
}

async function runUnfreeze(args: readonly string[]): Promise<number> {
  const { isSure, rest } = takeYes(args)
  const { options, words } = parseOptions(rest, ['api', 'key', 'reason', 'token-file'])
  expectWords(words, 1)
  const number = parseDigits(words[0], 'a freeze')
  const reason = parseReason(options.reason)
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const { url, headers } = await bearing(options)
  const [told, list] = [await ask(`${url}/join`, {}, network), await readFreezes(url, headers)]
  if (told.kind === 'refused') return refuse(told.reason)
  if (list.kind === 'refused') return refuse(list.reason)
  const found = list.value.items.find(({ freeze }) => freeze === number)
  if (!found) return refuse('there is no such freeze among the newest 100')
  printFreeze(found)
  if (hashOf(found, told.value.network) !== found.hash)
    return refuse('its hash is of another freeze than the pool shows; nothing was signed')
  if (!isSure && !(await askOnTerminal(`lift freeze ${number} on ${told.value.network}?`)))
    return refuse('nothing was signed')
  const freeze = digest(found.hash)
  const lift = { kind: 'unfreeze' as const, network: told.value.network, freeze, reason }
  const { act, signature } = signFreezeAct(secret, { ...lift, at: systemClock.now() })
  const body = { operatorKey: act.by, atMs: act.at, freeze, reason, signature: toHex(signature) }
  const reply = await ask(`${url}/freeze/${number}/lift`, posting(body), given)
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  sayPlain(reply.value.holds ? 'taken; one more person must lift it' : 'the freeze is lifted')
  return 0
}

async function runFreezes(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 0)
  const { url, headers } = await bearing(options)
  const list = await readFreezes(url, headers)
  if (list.kind === 'refused') return refuse(list.reason)
  for (const freeze of list.value.items) printFreeze(freeze)
  if (list.value.items.length === 0) sayPlain('nothing was ever frozen')
  return 0
}

async function runLog(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file', 'after'])
  expectWords(words, 0)
  const after = options.after === undefined ? '0' : parseDigits(options.after, '--after')
  const { url, headers } = await bearing(options)
  return printLog(url, headers, after)
}

/** Of the words that are shown, so that nobody lifts another freeze than the one they read. */
function hashOf({ scope, reason, atMs, operatorKey }: Told, network: string): string | null {
  const by = operatorKey === null ? null : parseOperatorKey(operatorKey)
  if (operatorKey !== null && by === null) return null
  return freezeActHash({ kind: 'freeze', network, scope, reason, at: unixMs(atMs), by })
}

function readFreezes(url: string, headers: Record<string, string>) {
  return ask(`${url}/freeze?limit=100`, { headers }, freezes)
}

async function bearing(options: Partial<Record<'api' | 'token-file', string>>) {
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  const headers = { authorization: `Bearer ${token}` }
  return { url: treasuryUrl(need(options.api, '--api URL')), headers }
}

function printFreeze({ freeze, scope, reason, by, atMs, holds, lifts }: Told): void {
  const when = new Date(atMs).toISOString()
  const state = holds ? 'holds' : 'lifted'
  sayPlain(`freeze ${freeze} of ${scope}: ${state}; ${when} by ${by ?? 'the pool'}: ${reason}`)
  for (const lift of lifts) sayPlain(`  lift by ${lift.by}: ${lift.reason}`)
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
