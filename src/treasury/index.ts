export {
  type Act,
  type ActRefusal,
  type ActVerdict,
  actHash,
  isApproved,
  type OperatorKey,
  operatorKeyOf,
  type Policy,
  parseOperatorKey,
  REASON_CHARACTERS_MAX,
  type SignedAct,
  signAct,
  verifyAct,
} from './approval.ts'
export { actsOn, type BatchOfAct, giveAct } from './approval-store.ts'
export {
  decodeManifest,
  encodeManifest,
  MANIFEST_BYTES_MAX,
  type Manifest,
  type ManifestPayee,
  manifestFromJson,
  manifestHash,
  manifestTotal,
} from './manifest.ts'
