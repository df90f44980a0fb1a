export { buildApi } from './build.ts'
export type {
  ApiParts,
  Audit,
  Decision,
  GivenAct,
  HealthPart,
  NextPayment,
  Owed,
  SchemeInfo,
} from './rooms.ts'
