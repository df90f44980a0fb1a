import { readFile } from 'node:fs/promises'
import { refusalText } from '../approval/index.ts'
import type { Config } from '../config.ts'
import { unreachable } from '../lib/assert.ts'
import { formatBtc } from '../lib/money.ts'
import { PAST_BATCHES_MAX, pastBatches } from '../payouts/index.ts'
import {
  type DryRunLine,
  dryRun,
  type RulesText,
  rulesSchema,
  rulesToTry,
} from '../treasury/index.ts'
import { CommandError, say, sayPlain } from './command.ts'
import type { RulesTold, TreasuryClient } from './treasury-client.ts'
import { withDatabase } from './with-database.ts'

/** Prints the rules in force, as the API tells them. @returns the exit code */
export async function showRules(client: TreasuryClient): Promise<number> {
  const reply = await client.policy()
  if (reply.kind === 'refused') {
    sayPlain(reply.reason)
    return 1
  }
  const { version, hash, bands, auto, limits, allowList, coolOffHours, spent } = reply.value
  sayPlain(`policy ${version}, ${hash}`)
  for (const { upToSats, approvals } of bands)
    sayPlain(
      `  ${upToSats === null ? 'any amount' : `up to ${upToSats} sat`}: ${approvals} must approve`,
    )
  sayPlain(`  the pool alone: ${autoText(auto)}`)
  sayPlain(`  a batch at most: ${ceiling(limits.perBatchSats)}`)
  sayPlain(`  a day at most: ${ceiling(limits.perDaySats)}`)
  sayPlain(`  a destination's day at most: ${ceiling(limits.perDestinationPerDaySats)}`)
  sayPlain(`  destinations: ${allowList === null ? 'any' : allowList.join(', ')}`)
  sayPlain(`  a changed destination waits ${coolOffHours} hours`)
  sayPlain(`  of the day: ${spent.daySats} sat, by the pool alone ${spent.autoDaySats} sat`)
  return 0
}

/**
 * Says what the rules in a file would have done to the last batches. Nothing is written.
 *
 * @param last how many batches, as text
 */
export async function tryRules(config: Config, path: string, last: string): Promise<number> {
  const rules = await readRules(path)
  const count = /^[1-9]\d{0,3}$/.test(last) ? Number(last) : 0
  if (count < 1 || count > PAST_BATCHES_MAX)
    throw new CommandError(`--last is a number of batches, at most ${PAST_BATCHES_MAX}`)
  const lines = dryRun(rulesToTry(rules), await withDatabase(config, db => pastBatches(db, count)))
  for (const line of lines) sayPlain(lineText(line))
  const number = (kind: DryRunLine['verdict']['kind']) =>
    lines.filter(({ verdict }) => verdict.kind === kind).length
  const counts = `${number('pool')} by the pool alone, ${number('people')} by people`
  say(`${lines.length} batches: ${counts}, ${number('refused')} refused`)
  return 0
}

async function readRules(path: string): Promise<RulesText> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
  const rules = rulesSchema.safeParse(parseJson(text))
  if (rules.success) return rules.data
  const wrong = rules.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`)
  throw new CommandError(
    [`${path} holds no rules as treasury.policy has them`, ...wrong].join('\n'),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function lineText({ batch, createdAt, spend, verdict }: DryRunLine): string {
  const what = `batch ${batch}, ${new Date(createdAt).toISOString()}, ${formatBtc(spend)} BTC`
  return `${what}: ${verdictText(verdict)}`
}

function verdictText(verdict: DryRunLine['verdict']): string {
  switch (verdict.kind) {
    case 'pool':
      return 'the pool alone'
    case 'refused':
      return `refused, ${refusalText(verdict.why)}`
    case 'people': {
      const had = verdict.approvers.length > 0 ? verdict.approvers.join(', ') : 'nobody'
      return `needs ${verdict.needed}, had ${had}${verdict.isEnough ? '' : ': not enough'}`
    }
    default:
      return unreachable(verdict)
  }
}

function autoText(auto: RulesTold['auto']): string {
  return auto === null
    ? 'nothing'
    : `up to ${auto.perBatchSats} sat a batch, ${auto.perDaySats} sat a day`
}

function ceiling(amount: string | null): string {
  return amount === null ? 'anything' : `${amount} sat`
}
