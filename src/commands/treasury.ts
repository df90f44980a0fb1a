import type { Act } from '../approval/index.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import { type Command, CommandError, orExplain, parseOptions, say } from './command.ts'
import { makeOperatorKey, readOperatorSecret } from './operator-key.ts'
import { requireConfig } from './pool-config.ts'
import { askOnTerminal } from './terminal.ts'
import { giveAct, listBatches, showBatch } from './treasury-acts.ts'
import { capital, lightningCapital } from './treasury-capital.ts'
import { type TreasuryClient, treasuryClient } from './treasury-client.ts'
import { FLOAT_HELP, FLOAT_VERBS } from './treasury-floats.ts'
import { FREEZE_HELP, FREEZE_VERBS } from './treasury-freezes.ts'
import { OPERATOR_HELP, OPERATOR_VERBS } from './treasury-operators.ts'
import {
  expectWords,
  need,
  parseDigits,
  parseRail,
  parseReason,
  readToken,
  takeYes,
  type Verb,
} from './treasury-options.ts'
import { PSBT_HELP, PSBT_VERBS } from './treasury-psbt.ts'
import { showRules, tryRules } from './treasury-rules.ts'
import { TOKEN_HELP, TOKEN_VERBS } from './treasury-tokens.ts'
import { runAddress, runWatch } from './treasury-watch.ts'
import { runWriteOff } from './treasury-write-off.ts'
import { withDatabase } from './with-database.ts'

const HELP = `treasury keygen --out FILE
treasury list --api URL --token-file FILE
treasury show BATCH --api URL --token-file FILE
treasury approve BATCH --key FILE --api URL --token-file FILE [--yes]
treasury reject BATCH --reason TEXT --key FILE --api URL --token-file FILE [--yes]
treasury policy --api URL --token-file FILE
treasury dry-run --policy FILE --last N --config FILE
treasury capital [--rail thunder] --outpoint TXID:VOUT[,…] --id NAME --config FILE
treasury capital --rail lightning --amount SATS --id NAME --config FILE
treasury address --network NAME --descriptor FILE
treasury watch --wallet NAME --descriptor FILE --config FILE
treasury write-off [--rail thunder] --outpoint TXID:VOUT --reason TEXT --config FILE
${OPERATOR_HELP}
${TOKEN_HELP}
${FLOAT_HELP}
${FREEZE_HELP}
${PSBT_HELP}`

const VERBS: Readonly<Record<string, Verb>> = {
  keygen: runKeygen,
  list: runList,
  show: runShow,
  approve: args => runAct(args, () => ({ kind: 'approve' })),
  reject: args => runAct(args, reason => ({ kind: 'reject', reason: parseReason(reason) })),
  policy: runPolicy,
  'dry-run': runDryRun,
  capital: runCapital,
  address: runAddress,
  'write-off': runWriteOff,
  watch: runWatch,
  ...OPERATOR_VERBS,
  ...TOKEN_VERBS,
  ...FLOAT_VERBS,
  ...FREEZE_VERBS,
  ...PSBT_VERBS,
}

/** What a treasury operator does: on a machine of its own, but for `capital`. */
export const treasuryCommand: Command = ([name = '', ...args]) =>
  orExplain(async () => {
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (!verb) throw new CommandError(HELP)
    return verb(args)
  })

async function runKeygen(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['out'])
  expectWords(words, 0)
  const path = need(options.out, '--out FILE')
  say(await makeOperatorKey(path, systemRandom))
  return 0
}

async function runList(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 0)
  return listBatches(await clientOf(options))
}

async function runShow(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 1)
  return showBatch(await clientOf(options), parseBatch(words[0]))
}

async function runAct(
  args: readonly string[],
  actOf: (reason: string | undefined) => Act,
): Promise<number> {
  const { isSure, rest } = takeYes(args)
  const { options, words } = parseOptions(rest, ['api', 'token-file', 'key', 'reason'])
  expectWords(words, 1)
  const act = actOf(options.reason)
  if (act.kind === 'approve' && options.reason !== undefined)
    throw new CommandError('an approval has no --reason')
  const secret = await readOperatorSecret(need(options.key, '--key FILE'))
  const ask = isSure ? async () => true : askOnTerminal
  return giveAct(await clientOf(options), parseBatch(words[0]), act, {
    ...{ secret, ask },
    clock: systemClock,
  })
}

async function runPolicy(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['api', 'token-file'])
  expectWords(words, 0)
  return showRules(await clientOf(options))
}

async function runDryRun(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['policy', 'last', 'config'])
  expectWords(words, 0)
  const path = need(options.policy, '--policy FILE')
  return tryRules(requireConfig(options.config), path, need(options.last, '--last N'))
}

async function runCapital(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['rail', 'outpoint', 'amount', 'id', 'config'])
  expectWords(words, 0)
  const id = need(options.id, '--id NAME')
  if (options.rail === 'lightning') {
    const amount = parseDigits(options.amount, '--amount SATS')
    const config = requireConfig(options.config)
    return withDatabase(config, db => lightningCapital(db, config, { id, amount }))
  }
  const outpoints = need(options.outpoint, '--outpoint TXID:VOUT')
  const config = requireConfig(options.config)
  const given = { rail: parseRail(options.rail), id, outpoints, clock: systemClock }
  return withDatabase(config, db => capital(db, config, given))
}

async function clientOf(
  options: Partial<Record<'api' | 'token-file', string>>,
): Promise<TreasuryClient> {
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  return treasuryClient(need(options.api, '--api URL'), token)
}

function parseBatch(text: string | undefined): string {
  return parseDigits(text, 'a batch')
}
