export { auditAttempts } from './attempt-audit-store.ts'
export {
  type BatchDetail,
  type BatchReport,
  type BatchVersion,
  batchOf,
  listBatches,
} from './batch-report-store.ts'
export type { CapitalOutcome } from './capital-store.ts'
export { currentRate } from './child-batch-store.ts'
export {
  blockEntries,
  type Earning,
  epochEntries,
  type FateChange,
  type Place,
  rewardStatement,
} from './credit.ts'
export { type CreditParts, creditJobs, type EarningSource } from './credit-store.ts'
export { autoApprove, type DecideParts, decideBatch, judgeBatch } from './decide-store.ts'
export { lightningNeed, thunderNeed } from './float-need-store.ts'
export { type FloatReport, listFloats } from './float-report-store.ts'
export { INVOICE_CHARS_MAX, INVOICE_RAIL, type OpenInvoice } from './invoice.ts'
export { type InvoiceReport, listInvoices } from './invoice-report-store.ts'
export {
  type GivenInvoice,
  type InvoiceRules,
  type TakeOutcome,
  takeInvoice,
} from './invoice-store.ts'
export { type PayoutJobsParts, payoutJobs } from './jobs.ts'
export { nextPaymentsOf } from './next-payment-store.ts'
export { kindsPaid, type Offer, payeeKindOf } from './offer.ts'
export {
  type Asker,
  type OwnBatchOutcome,
  type OwnBatchParts,
  type OwnBatchRules,
  type OwnWish,
  ownBatchJob,
  planOwnBatch,
} from './own-batch-store.ts'
export { PAST_BATCHES_MAX, pastBatches } from './past-batch-store.ts'
export {
  canonicalPayee,
  type PayeeKind,
  parseUsername,
  shownAddress,
  type UsernameOutcome,
} from './payee.ts'
export { createPayees, type Payees, type PayeesDeps } from './payee-store.ts'
export { auditBatches, auditInflight, auditVersions } from './payout-audit-store.ts'
export type { Rail } from './rail.ts'
export { railContradictions } from './rails/contradictions.ts'
export { railDestinations } from './rails/destinations.ts'
export { RAIL_NAMES } from './rails/index.ts'
export { type BundlePayout, bundlePayouts } from './rails/l1/bundle-payout-client.ts'
export { bookCapital } from './rails/l1/capital-store.ts'
export { type ChannelFunds, channelFunds } from './rails/l1/channel-store.ts'
export { floatAccount, noteCoins } from './rails/l1/coin-store.ts'
export { l1RailSchema } from './rails/l1/config.ts'
export {
  type AddOutcome,
  addSignatures,
  cosigners,
  signersTogether,
  type VersionToSign,
  versionToSign,
} from './rails/l1/cosigner-store.ts'
export { type OwnTransaction, ownTransactions, settledDeposits } from './rails/l1/deposit-store.ts'
export { addressScript, parseDestination as parseL1Destination } from './rails/l1/destination.ts'
export { chainWatch } from './rails/l1/evidence-client.ts'
export { type HostSignerParts, hostSigner } from './rails/l1/host-signer-client.ts'
export {
  L1_BOOKS,
  type L1Options,
  type L1Parts,
  type Sidechain,
  type WalletChoice,
} from './rails/l1/l1-parts.ts'
export { l1Rail } from './rails/l1/l1-rail.ts'
export { writeOff } from './rails/l1/loss-store.ts'
export { type Multisig, multisigInputWeight } from './rails/l1/multisig.ts'
export { nodeSigner } from './rails/l1/node-signer-client.ts'
export type { L1Signer, SigningOutcome, SigningRequest } from './rails/l1/signer.ts'
export { enforcerViewOf, treasuryWatch } from './rails/l1/treasury-client.ts'
export { type WalletClient, walletClient } from './rails/l1/wallet-client.ts'
export { bookLightningCapital } from './rails/lightning/capital-store.ts'
export { lightningRailSchema } from './rails/lightning/config.ts'
export { lightningHostSigner } from './rails/lightning/host-signer-client.ts'
export type { LightningOptions } from './rails/lightning/lightning-parts.ts'
export { lightningRail } from './rails/lightning/lightning-rail.ts'
export { channelOpener } from './rails/lightning/opener-client.ts'
export { lightningReconciler } from './rails/lightning/reconcile-store.ts'
export { bookThunderCapital, type ThunderCapitalParts } from './rails/thunder/capital-store.ts'
export { chainsOf } from './rails/thunder/chains-client.ts'
export { noteCredited } from './rails/thunder/coin-store.ts'
export { thunderRailSchema } from './rails/thunder/config.ts'
export { parseThunderDestination } from './rails/thunder/destination.ts'
export { thunderFunds } from './rails/thunder/funds-rail.ts'
export { thunderHostSigner } from './rails/thunder/host-signer-client.ts'
export { writeOffThunder } from './rails/thunder/loss-store.ts'
export { thunderNodeSigner } from './rails/thunder/node-signer-client.ts'
export { thunderReconciler } from './rails/thunder/reconcile-store.ts'
export type { ThunderSigner } from './rails/thunder/signer.ts'
export type { Chains, ThunderOptions, ThunderWatch } from './rails/thunder/thunder-parts.ts'
export { thunderRail } from './rails/thunder/thunder-rail.ts'
export { type FloatWallet, reconciler } from './reconcile-store.ts'
export type { Reconciled, Reconciler } from './reconciler.ts'
export {
  destinationsOf,
  type EarningReport,
  listEarnings,
  listPayouts,
  type PayeeReport,
  type PayoutReport,
  payeeOf,
  type RewardBytes,
  rewardStatementOf,
  rewardsOfBlocks,
} from './report-store.ts'
export { type LastRequest, type RequestRefusal, requestText } from './request.ts'
export {
  askForPayout,
  type GivenRequest,
  type RequestOutcome,
  type RequestRules,
} from './request-store.ts'
export { auditRewards } from './reward-audit-store.ts'
export type { HashedWork, Reward, RewardInput, RewardMethod } from './reward-method.ts'
export { type RewardMethodChoice, rewardMethod, rewardMethods } from './rewards/index.ts'
export { recomputeReward } from './rewards/recompute.ts'
export type { Interval, NextPayment, Scheme } from './scheme.ts'
export {
  type Destinations,
  defaultWishes,
  grantWishes,
  type PayoutSettings,
  type PayoutWishes,
  RAILS_MAX,
  type RailSetting,
  settingsText,
} from './settings.ts'
export {
  type ChangeOutcome,
  changeSettings,
  type GivenSettings,
  type SettingsRules,
} from './settings-change-store.ts'
export type { Proof } from './settings-proof.ts'
export { type SettingsChange, settingsHistory, settingsOf } from './settings-store.ts'
export {
  type SignerAccess,
  type SignerAnswer,
  type SignerClient,
  signerClient,
} from './signer-client.ts'
export { newestHead, storeHead } from './signer-head-store.ts'
export { relayFreezes } from './signer-relay-client.ts'
export { spentByRules, spentInLastDay } from './spent-store.ts'
export {
  payoutsSince,
  rewardsFromEpoch,
  type TracedPayout,
  type TracedReward,
} from './trace-store.ts'
export type { RailRules, Waiting } from './waiting.ts'
export { type WaitingParts, whyWaiting } from './why-waiting-store.ts'
export type { WithdrawalSource } from './withdrawal-plan-store.ts'
export { settledWithdrawals } from './withdrawal-store.ts'
