export type { Bridge, FloatNeed, MoveOutcome } from './bridge.ts'
export { type BridgeReport, listMoves } from './bridge-report-store.ts'
export { type BridgesConfig, bridgesComplaints, bridgesSchema } from './config.ts'
export { type FloatRule, refill } from './float.ts'
export { type BridgeJobsParts, bridgeJobs } from './jobs.ts'
export type { Arrival } from './move.ts'
export {
  type CreditedCoin,
  type SideTip,
  type ThunderBridgeParts,
  type ThunderView,
  thunderBridge,
} from './thunder-bridge.ts'
export { type MainView, thunderView } from './thunder-view-client.ts'
