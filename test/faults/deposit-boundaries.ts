import { around, aroundCommit, type Boundary } from './boundary.ts'

const database = { phase: 'pay', server: 'database' } as const
const node = { phase: 'pay', server: 'node' } as const
const enforcer = { phase: 'pay', server: 'enforcer' } as const
const thunder = { phase: 'pay', server: 'thunder' } as const

/**
 * Every step boundary of a deposit to Thunder, from the plan that fills the float there until what
 * was deposited is float. The order is the order in which one passes them.
 */
export const DEPOSIT_BOUNDARIES: readonly Boundary[] = [
  ...aroundCommit('deposit: reserve, manifest, coins', {
    ...database,
    says: 'insert into batches',
  }),
  ...around('deposit: ask for the treasury', { ...enforcer, says: 'GetCtip' }),
  ...aroundCommit('deposit: store the intent', {
    ...database,
    says: 'insert into "batch_versions"',
  }),
  ...around('deposit: sign', { ...node, says: '"walletprocesspsbt"' }),
  ...around('deposit: make final', { ...node, says: '"finalizepsbt"' }),
  ...aroundCommit('deposit: store the signed bytes', {
    ...database,
    says: 'update "batch_versions"',
  }),
  ...around('deposit: send', { ...node, says: '"sendrawtransaction"' }),
  ...aroundCommit('deposit: say that nobody knows', {
    ...database,
    says: /update "batches" set "state"[\s\S]*uncertain/,
  }),
  ...aroundCommit('deposit: settle', {
    ...database,
    says: /insert into journal[\s\S]*:settled/,
  }),
  ...aroundCommit('deposit: begin to follow it', {
    ...database,
    says: 'insert into "bridge_moves"',
  }),
  ...around('deposit: ask Thunder for its coins', { ...thunder, says: 'get_utxos' }),
  ...aroundCommit('deposit: book the credit', {
    ...database,
    says: /insert into journal[\s\S]*:credited/,
  }),
]
