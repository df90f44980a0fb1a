import { z } from 'zod'
import { operatorKeyOf } from '../approval/index.ts'
import { toHex } from '../lib/bytes.ts'
import { digest, unixMs } from '../lib/ids.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import {
  inviteFirstAdmin,
  KEY_MS_MAX,
  type OperatorChange,
  operatorChangeSchema,
  signOperatorAct,
  tokenDigest,
} from '../treasury/index.ts'
import { CommandError, parseOptions, say, sayPlain } from './command.ts'
import { readOperatorSecret } from './operator-key.ts'
import { requireConfig } from './pool-config.ts'
import { askOnTerminal, typedOnTerminal } from './terminal.ts'
import { ask, posting, treasuryUrl } from './treasury-client.ts'
import { expectWords, need, parseDays, readToken, takeYes, type Verb } from './treasury-options.ts'
import { withDatabase } from './with-database.ts'

const MS_PER_DAY = 24 * 3_600_000
/** A key of an operator is good for a year unless somebody says otherwise. */
const KEY_DAYS = { usual: 365, max: KEY_MS_MAX / MS_PER_DAY }

export const OPERATOR_HELP = `treasury first-admin --config FILE
treasury join --alias NAME --key FILE --api URL [--token-file FILE] [--days N]
treasury operators --api URL --token-file FILE
treasury operator add NAME --roles viewer,operator,approver,admin --public-key HEX [--days N] …
treasury operator roles NAME --roles …
treasury operator remove NAME …
treasury operator add-key NAME --public-key HEX [--days N] …
treasury operator revoke-key NAME --public-key HEX --key FILE --api URL [--yes]`

export const OPERATOR_VERBS: Readonly<Record<string, Verb>> = {
  'first-admin': runFirstAdmin,
  join: runJoin,
  operators: runOperators,
  operator: runOperator,
}

const head = z.object({ network: z.string(), head: z.string().regex(/^[0-9a-f]{64}$/) })
const changed = z.object({ head: z.string() })
const operators = z.object({
  items: z.array(
    z.object({
      alias: z.string(),
      roles: z.array(z.string()),
      keys: z.array(z.object({ key: z.string(), notAfterMs: z.number() })),
    }),
  ),
})

/** On the pool's own host: whoever may read its configuration may invite its first admin. */
async function runFirstAdmin(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['config'])
  expectWords(words, 0)
  const invitation = await withDatabase(requireConfig(options.config), db =>
    db.transaction().execute(tx => inviteFirstAdmin(tx, systemRandom, systemClock.now())),
  )
  if (invitation === null) {
    say('there is an admin already; admins add everybody else')
    return 1
  }
  say(invitation.token)
  process.stderr.write(`good once, until ${timeText(invitation.expiresAt)}, for: treasury join\n`)
  return 0
}

async function runJoin(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'alias', 'key', 'token-file', 'days'])
  expectWords(words, 0)
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const file = options['token-file']
  const token = file ? await readToken(file) : await typedOnTerminal('one-time token: ')
  const change = parseChange({
    kind: 'first admin',
    alias: need(options.alias, '--alias NAME'),
    key: operatorKeyOf(secret),
    notAfter: notAfterOf(options.days),
    invitation: tokenDigest(token),
  })
  const url = treasuryUrl(need(options.api, '--api URL'))
  return post(url, 'join', { secret, change, isSure: true, more: { token } })
}

async function runOperators(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 0)
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  const url = `${treasuryUrl(need(options.api, '--api URL'))}/operators`
  const reply = await ask(url, { headers: { authorization: `Bearer ${token}` } }, operators)
  if (reply.kind === 'refused') return refuse(reply.reason)
  for (const { alias, roles, keys } of reply.value.items) {
    sayPlain(`${alias}: ${roles.join(', ')}`)
    for (const { key, notAfterMs } of keys)
      sayPlain(`  key ${key}, good until ${timeText(notAfterMs)}`)
  }
  return 0
}

async function runOperator(args: readonly string[]): Promise<number> {
  const { isSure, rest } = takeYes(args)
  const names = ['api', 'key', 'roles', 'public-key', 'days'] as const
  const { options, words } = parseOptions(rest, names)
  expectWords(words, 2)
  const [what = '', alias = ''] = words
  const change = changeOf(what, alias, options)
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const url = treasuryUrl(need(options.api, '--api URL'))
  return post(url, 'operators', { secret, change, isSure, more: {} })
}

function changeOf(
  what: string,
  alias: string,
  options: Partial<Record<'roles' | 'public-key' | 'days', string>>,
): OperatorChange {
  const roles = () => need(options.roles, '--roles LIST').split(',').sort()
  const key = () => need(options['public-key'], '--public-key HEX')
  const notAfter = () => notAfterOf(options.days)
  switch (what) {
    case 'add': {
      const words = { kind: 'add operator', alias, roles: roles() }
      return parseChange({ ...words, key: key(), notAfter: notAfter() })
    }
    case 'roles':
      return parseChange({ kind: 'set roles', alias, roles: roles() })
    case 'remove':
      return parseChange({ kind: 'remove operator', alias })
    case 'add-key':
      return parseChange({ kind: 'add key', alias, key: key(), notAfter: notAfter() })
    case 'revoke-key':
      return parseChange({ kind: 'revoke key', alias, key: key() })
    default:
      throw new CommandError(`treasury operator does not know ${what}\n${OPERATOR_HELP}`)
  }
}

/** @throws CommandError where a name, a role or a key is none */
function parseChange(words: object): OperatorChange {
  const parsed = operatorChangeSchema.safeParse(words)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CommandError(`${issue?.path.join('.')}: ${issue?.message}`)
}

function notAfterOf(days: string | undefined): number {
  return unixMs(systemClock.now() + parseDays(days, KEY_DAYS) * MS_PER_DAY)
}

function timeText(at: number): string {
  return new Date(at).toISOString()
}

/** Shows what will be signed, asks, signs here and posts. */
async function post(
  url: string,
  path: string,
  given: {
    readonly secret: Uint8Array
    readonly change: OperatorChange
    readonly isSure: boolean
    readonly more: object
  },
): Promise<number> {
  const { secret, change, isSure, more } = given
  const told = await ask(`${url}/join`, {}, head)
  if (told.kind === 'refused') return refuse(told.reason)
  const { network } = told.value
  const previous = digest(told.value.head)
  for (const [name, value] of Object.entries(change))
    sayPlain(`  ${name}: ${name === 'notAfter' ? timeText(Number(value)) : String(value)}`)
  if (!isSure && !(await askOnTerminal(`sign this for ${network}?`)))
    return refuse('nothing was signed')
  const at = systemClock.now()
  const { act, signature } = signOperatorAct(secret, { network, previous, at, change })
  const words = { operatorKey: act.by, atMs: at, previous, change, signature: toHex(signature) }
  const reply = await ask(`${url}/${path}`, posting({ ...words, ...more }), changed)
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  sayPlain(`the pool took it; its operators' chain ends in ${reply.value.head}`)
  return 0
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
