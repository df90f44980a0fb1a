import { around, aroundCommit, type Boundary } from './boundary.ts'

const pay = { phase: 'pay', server: 'database' } as const
const payNode = { phase: 'pay', server: 'node' } as const
const bump = { phase: 'bump', server: 'database' } as const
const bumpNode = { phase: 'bump', server: 'node' } as const
const watch = { phase: 'watch', server: 'database' } as const
const watchNode = { phase: 'watch', server: 'node' } as const
const approve = { phase: 'approve', server: 'database' } as const
const reject = { phase: 'reject', server: 'database' } as const

/**
 * Every step boundary of a batch on the main chain, from its planning to its end. The order is the
 * order in which a batch passes them.
 */
const PAY: readonly Boundary[] = [
  ...aroundCommit('plan: reserve, manifest, coins', { ...pay, says: 'insert into batches' }),
  ...around('take the lease', { ...pay, says: 'make_interval' }),
  ...around('prepare: ask for the anchor', { ...payNode, says: '"gettxout"' }),
  ...aroundCommit('prepare: store the intent', { ...pay, says: 'insert into "batch_versions"' }),
  ...around('sign', { ...payNode, says: '"walletprocesspsbt"' }),
  ...around('sign: make final', { ...payNode, says: '"finalizepsbt"' }),
  ...around('ask the mempool', { ...payNode, says: '"testmempoolaccept"' }),
  ...aroundCommit('store the signed bytes', { ...pay, says: 'update "batch_versions"' }),
  ...around('send', { ...payNode, says: '"sendrawtransaction"' }),
  ...aroundCommit('say that it was sent', {
    ...pay,
    says: /update "batches" set "state"[\s\S]*sent/,
  }),
  ...around('check', { ...payNode, says: '"gettransaction"' }),
  ...aroundCommit('settle', { ...pay, says: /insert into journal[\s\S]*:settled/ }),
  ...around('give the lease back', { ...pay, says: /"lease_until" = [\s\S]*"note" = / }),
]

/** Those of the operators' decisions, which pass through another process. */
const DECIDE: readonly Boundary[] = [
  ...aroundCommit('approve: store the act', { ...approve, says: 'insert into "approvals"' }),
  ...around('approve: move the batch', { ...approve, says: 'update "batches" set "state"' }),
  ...aroundCommit('reject: store the act', { ...reject, says: 'insert into "approvals"' }),
  ...around('reject: book it back', { ...reject, says: /insert into journal[\s\S]*:released/ }),
]

/** Those of a dearer version, once the first one has been sent. */
const BUMP: readonly Boundary[] = [
  ...around('bump: ask for the fees of now', { ...bumpNode, says: '"getmempoolentry"' }),
  ...aroundCommit('bump: store the intent', { ...bump, says: 'insert into "batch_versions"' }),
  ...around('bump: sign', { ...bumpNode, says: '"walletprocesspsbt"' }),
  ...around('bump: ask the mempool', { ...bumpNode, says: '"testmempoolaccept"' }),
  ...aroundCommit('bump: store the signed bytes', { ...bump, says: 'update "batch_versions"' }),
  ...around('bump: send', { ...bumpNode, says: '"sendrawtransaction"' }),
]

/** Those of a settled batch that a reorganisation takes back. */
const WATCH: readonly Boundary[] = [
  ...around('watch: look it up', { ...watchNode, says: '"gettransaction"' }),
  ...aroundCommit('watch: note what the chain has', {
    ...watch,
    says: /"paid_version"[\s\S]*for update/,
  }),
  ...around('watch: send it again', {
    phase: 'send again',
    server: 'node',
    says: '"sendrawtransaction"',
  }),
]

export const L1_BOUNDARIES: readonly Boundary[] = [...PAY, ...DECIDE, ...BUMP, ...WATCH]
