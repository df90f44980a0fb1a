import { around, aroundCommit, type Boundary } from './boundary.ts'

/**
 * Every step boundary of a batch on the main chain, from its planning to its end. The order is the
 * order in which a batch passes them.
 */
export const L1_BOUNDARIES: readonly Boundary[] = [
  ...aroundCommit('plan: reserve, manifest, coins', 'database', 'insert into batches'),
  ...around('take the lease', 'database', 'make_interval'),
  ...around('prepare: ask for the anchor', 'node', '"gettxout"'),
  ...aroundCommit('prepare: store the intent', 'database', 'insert into "batch_versions"'),
  ...around('sign', 'node', '"walletprocesspsbt"'),
  ...around('sign: make final', 'node', '"finalizepsbt"'),
  ...around('ask the mempool', 'node', '"testmempoolaccept"'),
  ...aroundCommit('store the signed bytes', 'database', 'update "batch_versions"'),
  ...around('send', 'node', '"sendrawtransaction"'),
  ...aroundCommit('say that it was sent', 'database', /update "batches" set "state"[\s\S]*sent/),
  ...around('check', 'node', '"gettransaction"'),
  ...aroundCommit('settle', 'database', /insert into journal[\s\S]*:settled/),
  ...around('give the lease back', 'database', /"lease_until" = [\s\S]*"note" = /),
]
