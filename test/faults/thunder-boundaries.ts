import { around, aroundCommit, type Boundary } from './boundary.ts'

const database = { phase: 'pay', server: 'database' } as const
const node = { phase: 'pay', server: 'node' } as const
const thunder = { phase: 'pay', server: 'thunder' } as const

/** A block may be so quick that nobody asks for what waits. */
export const MEMPOOL_BOUNDARIES: readonly Boundary[] = around('thunder: look into the mempool', {
  ...thunder,
  says: '"get_transaction"',
})

/**
 * Every step boundary of a batch on Thunder, from its planning until its change is noted. The order
 * is the order in which a batch passes them.
 */
export const THUNDER_BOUNDARIES: readonly Boundary[] = [
  ...around('thunder: ask for coins', { ...thunder, says: '"get_utxos"' }),
  ...aroundCommit('thunder: reserve, manifest, coins', {
    ...database,
    says: 'insert into batches',
  }),
  ...around('thunder: take the lease', { ...database, says: 'make_interval' }),
  ...aroundCommit('thunder: store the intent', {
    ...database,
    says: 'insert into "batch_versions"',
  }),
  ...around('thunder: sign', { ...thunder, says: '"sign_transaction"' }),
  ...aroundCommit('thunder: store the signed bytes', {
    ...database,
    says: 'update "batch_versions"',
  }),
  ...around('thunder: send', { ...thunder, says: '"submit_transaction"' }),
  ...aroundCommit('thunder: say that it was sent', {
    ...database,
    says: /update "batches" set "state"[\s\S]*sent/,
  }),
  ...MEMPOOL_BOUNDARIES,
  ...around('thunder: read its side block', { ...thunder, says: '"get_block"' }),
  ...around('thunder: ask for the main block', { ...node, says: '"getblockheader"' }),
  ...aroundCommit('thunder: settle', {
    ...database,
    says: /insert into journal[\s\S]*:settled/,
  }),
  ...aroundCommit('thunder: note the change', {
    ...database,
    says: 'insert into "thunder_coins"',
  }),
]
