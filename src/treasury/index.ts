export {
  type ActReport,
  actReports,
  actsOn,
  approversOf,
  POOL_ALIAS,
  storeAct,
} from './approval-store.ts'
export { type AuditEvent, checkLogLine, EVENTS_START } from './audit-event.ts'
export {
  type ChainedEvent,
  eventsAfter,
  eventsHead,
  recordEvent,
  verifyEvents,
} from './audit-event-store.ts'
export {
  AUTH_FAILURES_MAX,
  addressSubject,
  countFailure,
  lockedUntil,
} from './auth-store.ts'
export { type DryRunLine, dryRun, type PastBatch, type RulesToTry, rulesToTry } from './dry-run.ts'
export {
  inviteFirstAdmin,
  type JoinVerdict,
  joinAsFirstAdmin,
  tokenDigest,
} from './first-admin-store.ts'
export {
  type FreezeReport,
  type FreezeVerdict,
  freezeActsAfter,
  freezeByPool,
  frozen,
  giveFreezeAct,
  listFreezes,
} from './freeze-store.ts'
export {
  type ActorRefusal,
  type ActRefusal,
  type ActVerdict,
  actorRefusal,
  type BatchBeforeAct,
  judgeAct,
} from './judge.ts'
export {
  decodeOperatorAct,
  encodeOperatorAct,
  OPERATORS_START,
  type OperatorAct,
  type OperatorChange,
  operatorChangeSchema,
  type SignedOperatorAct,
  signOperatorAct,
} from './operator-act.ts'
export { verifyOperators } from './operator-audit-store.ts'
export { type ChangeRefusal, KEY_MS_MAX } from './operator-change.ts'
export {
  type ChangeVerdict,
  changeOperators,
  operatorsHead,
  readOperators,
} from './operator-store.ts'
export { type KeepOutcome, keepRules, policyNow } from './policy-store.ts'
export {
  encodeRules,
  policyFor,
  type RulesText,
  rulesHash,
  rulesSchema,
  type SpendRules,
  spendRules,
} from './rules.ts'
export { type SettingsAct, settingsActHash, verifySettingsAct } from './settings-act.ts'
export {
  type LoginRefusal,
  type SignedLogin,
  scopesOf,
  signLogin,
  TOKEN_MS_MAX,
  type TokenScope,
} from './token.ts'
export {
  type Bearer,
  bearerOf,
  giveToken,
  type LoginVerdict,
  listTokens,
  revokeToken,
  type TokenReport,
} from './token-store.ts'
