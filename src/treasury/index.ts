export {
  type Act,
  actHash,
  isSecretKey,
  type OperatorKey,
  operatorKeyOf,
  parseOperatorKey,
  REASON_CHARACTERS_MAX,
  type SignedAct,
  signAct,
  verifyAct,
} from './approval.ts'
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
export { canonicalJson, type Plain } from './canonical.ts'
export { type DryRunLine, dryRun, type PastBatch, type RulesToTry, rulesToTry } from './dry-run.ts'
export {
  inviteFirstAdmin,
  type JoinVerdict,
  joinAsFirstAdmin,
  tokenDigest,
} from './first-admin-store.ts'
export {
  type Freeze,
  type FreezeRefusal,
  type FreezeScene,
  type FreezeWithLifts,
  freezeActHash,
  freezeHolds,
  freezeRefusal,
  isPlainReason,
  LIFTS_NEEDED,
  type SignedFreezeAct,
  signFreezeAct,
  stops,
  type Unfreeze,
  verifyFreezeAct,
} from './freeze.ts'
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
  CALLS_OPEN_MAX,
  type EndRequest,
  type InvoicesRequest,
  LINES_MAX,
  type LightningReply,
  type LightningRequest,
  lightningReplySchema,
  lightningRequestJson,
  lightningRequestSchema,
  type OpenRequest,
  type PayRequest,
} from './lightning-messages.ts'
export {
  decodeManifest,
  encodeManifest,
  MANIFEST_BYTES_MAX,
  manifestFromJson,
  manifestHash,
  manifestTotal,
} from './manifest.ts'
export {
  type CoinManifest,
  type LineManifest,
  type Manifest,
  type ManifestLine,
  type ManifestPayee,
  PURPOSES,
  type Purpose,
} from './manifest-shape.ts'
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
export {
  type ApprovalVerdict,
  type AutoBand,
  allowingOwn,
  approvalsNeeded,
  approverOf,
  type Band,
  type BatchWithActs,
  isWithinAuto,
  judgeApprovals,
  judgeSpend,
  type LimitRefusal,
  type Limits,
  largestSpend,
  limitRefusal,
  type Operator,
  type OperatorRole,
  operatorWith,
  refusalText,
  type SpendPolicy,
  type SpendVerdict,
  type Spent,
  verdictText,
} from './policy.ts'
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
  confirmHeads,
  type HeadConfirmation,
  type HeadPair,
  NO_HEAD,
  verifyConfirmation,
} from './signer-head.ts'
export {
  confirmRequestJson,
  confirmRequestSchema,
  FREEZE_ACTS_MAX,
  freezeRequestJson,
  freezeRequestSchema,
  type L1SignRequest,
  type RelayReply,
  relayReplySchema,
  SIGNER_MESSAGE_BYTES_MAX,
  SIGNER_PATHS,
  type SignerHead,
  type SignReply,
  type SignRequest,
  type SpentOutput,
  type StatusReply,
  type StatusRequest,
  signReplyJson,
  signReplySchema,
  signRequestJson,
  signRequestSchema,
  statusReplySchema,
  statusRequestSchema,
  type ThunderSignRequest,
} from './signer-messages.ts'
export { taggedHash } from './tagged-hash.ts'
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
