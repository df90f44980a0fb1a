export { parseSignerConfig, type SignerConfig, type SignerConfigOutcome } from './config.ts'
export {
  accountDescriptors,
  cosignerKey,
  type Descriptor,
  readDescriptor,
  walletKey,
} from './descriptor.ts'
export type { LightningParts } from './lightning.ts'
export {
  type OpeningNode,
  openingNode,
  type PayingNode,
  payingNode,
} from './lightning-node-client.ts'
export { MemoryTrouble } from './memory.ts'
export { createMemory, type MemoryStore, openMemory } from './memory-store.ts'
export type { DepositRules } from './outputs.ts'
export { createSigner, type Signer, type SignerParts, type SigningWallet } from './signer.ts'
export { type SignerServer, startSignerServer } from './signer-server.ts'
export { type ThunderWallet, thunderWallet } from './thunder.ts'
export { type CheckedTransaction, checkTransaction } from './transaction.ts'
