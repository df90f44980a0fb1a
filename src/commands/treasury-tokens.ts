import { unlink } from 'node:fs/promises'
import { z } from 'zod'
import { fromHex, toHex } from '../lib/bytes.ts'
import { digest, unixMs } from '../lib/ids.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import { signLogin, TOKEN_MS_MAX, type TokenScope, tokenDigest } from '../treasury/index.ts'
import { CommandError, parseOptions, say, sayPlain } from './command.ts'
import { readOperatorSecret } from './operator-key.ts'
import { writeSecret } from './secret-file.ts'
import { ask, posting, treasuryUrl } from './treasury-client.ts'
import {
  expectWords,
  need,
  parseDays,
  parseDigits,
  readToken,
  type Verb,
} from './treasury-options.ts'

const MS_PER_DAY = 24 * 3_600_000
const TOKEN_DAYS = { usual: 30, max: TOKEN_MS_MAX / MS_PER_DAY }

export const TOKEN_HELP = `treasury login --key FILE --out FILE --api URL [--scopes create,read] [--days N]
treasury tokens --api URL --token-file FILE
treasury revoke-token NUMBER --api URL --token-file FILE`

export const TOKEN_VERBS: Readonly<Record<string, Verb>> = {
  login: runLogin,
  tokens: runTokens,
  'revoke-token': runRevoke,
}

const network = z.object({ network: z.string() })
const given = z.object({ token: z.string(), alias: z.string() })
const revoked = z.object({ token: z.string() })
const tokens = z.object({
  items: z.array(
    z.object({
      token: z.string(),
      alias: z.string(),
      scopes: z.array(z.string()),
      expiresMs: z.number(),
      revokedMs: z.number().nullable(),
    }),
  ),
})

/** The token is made here and written before the pool hears of it; only its digest is sent. */
async function runLogin(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'key', 'out', 'scopes', 'days'])
  expectWords(words, 0)
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const url = treasuryUrl(need(options.api, '--api URL'))
  const path = need(options.out, '--out FILE')
  const scopes = parseScopes(options.scopes ?? 'read')
  const lifeMs = parseDays(options.days, TOKEN_DAYS) * MS_PER_DAY
  const told = await ask(`${url}/join`, {}, network)
  if (told.kind === 'refused') return refuse(told.reason)
  const token = toHex(systemRandom.bytes(32))
  await writeSecret(path, fromHex(token))
  const at = systemClock.now()
  // A second less, since the pool's clock may be behind this one.
  const expiresAt = unixMs(at + lifeMs - 1000)
  const { login, signature } = signLogin(secret, {
    ...{ network: told.value.network, digest: digest(tokenDigest(token)), scopes },
    ...{ expiresAt, at },
  })
  const body = {
    ...{ operatorKey: login.by, digest: login.digest, scopes, expiresMs: expiresAt, atMs: at },
    signature: toHex(signature),
  }
  const reply = await ask(`${url}/tokens`, posting(body), given)
  if (reply.kind === 'refused') {
    // It opens nothing, and would only stand in the way of the next try.
    await unlink(path)
    return refuse(reply.reason)
  }
  const { token: number, alias } = reply.value
  sayPlain(`${path} holds token ${number} of ${alias}: ${scopes.join(', ')}`)
  return 0
}

async function runTokens(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 0)
  const { url, headers } = await bearing(options)
  const reply = await ask(`${url}/tokens?limit=100`, { headers }, tokens)
  if (reply.kind === 'refused') return refuse(reply.reason)
  for (const { token, alias, scopes, expiresMs, revokedMs } of reply.value.items) {
    const end = new Date(revokedMs ?? expiresMs).toISOString()
    const until = revokedMs === null ? `good until ${end}` : `revoked ${end}`
    sayPlain(`token ${token} of ${alias}: ${scopes.join(', ')}; ${until}`)
  }
  return 0
}

async function runRevoke(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 1)
  const number = parseDigits(words[0], 'a token')
  const { url, headers } = await bearing(options)
  const reply = await ask(`${url}/tokens/${number}/revoke`, { method: 'POST', headers }, revoked)
  if (reply.kind === 'refused') return refuse(reply.reason)
  say(`token ${number} opens nothing any more`)
  return 0
}

async function bearing(options: Partial<Record<'api' | 'token-file', string>>) {
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  const headers = { authorization: `Bearer ${token}` }
  return { url: treasuryUrl(need(options.api, '--api URL')), headers }
}

function parseScopes(text: string): TokenScope[] {
  const scopes = z.array(z.enum(['create', 'operators', 'read'])).safeParse(text.split(',').sort())
  if (scopes.success) return scopes.data
  throw new CommandError('--scopes are read, create and operators, with commas')
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
