export type { Bridge, FloatNeed, MoveOutcome } from './bridge.ts'
export { type BridgeReport, listMoves } from './bridge-report-store.ts'
export type { ArrivedFunds, SeenChannel, SeenSpend } from './channel.ts'
export { type ChannelBridgeParts, type ChannelView, channelBridge } from './channel-bridge.ts'
export { type BridgesConfig, bridgesComplaints, bridgesSchema, floatRuleOf } from './config.ts'
export { type FloatRule, type Refill, refill, shortage } from './float.ts'
export { type BridgeJobsParts, bridgeJobs, withdrawalJob } from './jobs.ts'
export type { Arrival } from './move.ts'
export {
  type CreditedCoin,
  type SideTip,
  type ThunderBridgeParts,
  type ThunderView,
  thunderBridge,
} from './thunder-bridge.ts'
export { type MainView, thunderView } from './thunder-view-client.ts'
export { nextStep, type Withdrawal } from './withdrawal.ts'
export type { WithdrawalParts, WithdrawalView } from './withdrawal-bridge.ts'
export { listWithdrawals } from './withdrawal-store.ts'
export { type WithdrawalNodes, withdrawalOutputs } from './withdrawal-view-client.ts'
