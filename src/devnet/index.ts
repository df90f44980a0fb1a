/**
 * Real parts for the demo and the tests: a node, lnds, a queue's server, a proxy and a miner; and two
 * that are simulated unless the environment names real ones, a sidechain's node and its enforcer.
 */

export { type Bitcoind, startBitcoind } from './bitcoind.ts'
export { type BitcoindBinary, findBitcoind } from './bitcoind-binary.ts'
export { type DemoOperators, joinOperators } from './demo-operators.ts'
export { DEMO_APPROVALS, type DemoPool, startDemoPool } from './demo-pool.ts'
export { type DemoSigner, demoSigner } from './demo-signer.ts'
export { type Devnet, type DevnetNode, joinDevnet, startDevnet } from './devnet.ts'
export { type DevnetLightning, startDevnetLightning } from './devnet-lightning.ts'
export {
  type DevnetSidechain,
  joinDevnetSidechain,
  startDevnetSidechain,
} from './devnet-sidechain.ts'
export { FIRMWARES } from './firmware/all.ts'
export {
  type Firmware,
  type FirmwareReport,
  isGreen,
  playFirmware,
  type StepOutcome,
} from './firmware/firmware.ts'
export type { RigTarget } from './firmware/rig.ts'
export { type HardeningProxy, startHardeningProxy } from './hardening-proxy.ts'
export { findLnd, LND_VERSION } from './lnd-binary.ts'
export { type Miner, type MinerEvent, type MinerOptions, startMiner } from './miner.ts'
export {
  accountOf,
  agrees,
  type MinerAccount,
  type PaidBy,
  paidOnL1,
  paidOnThunder,
} from './miner-account.ts'
export { callNode, type NodeRpc } from './node-rpc.ts'
export { approveWaiting, type PoolApi, poolApi } from './pool-api.ts'
export { findRedis, type Redis, startRedis } from './redis.ts'
export {
  NODE_PASSWORD_VARIABLE,
  type RegtestChoices,
  type RegtestSidechain,
  regtestConfig,
  type SchemePorts,
} from './regtest-config.ts'
export type { ServerProcess } from './server-process.ts'
export { activateThunder, callConnect } from './sidechain/activate.ts'
export type { EnforcerControl, SimulatedEnforcer } from './sidechain/enforcer-sim.ts'
export { type Sidechain, startSidechain } from './sidechain/start.ts'
export { THUNDER_VERSIONS, type ThunderVersion } from './sidechain/thunder/methods.ts'
export type { CallFault, SimulatedThunder, ThunderControl } from './sidechain/thunder-sim.ts'
export {
  findSidechainServices,
  namesServices,
  type SidechainServices,
} from './sidechain-services.ts'
