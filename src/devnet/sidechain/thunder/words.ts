/**
 * What a Thunder node says when it refuses, word for word: clients of it decide by these texts.
 * The node joins an error and its causes by `: `.
 *
 * Source: thunder-rust, lib/state/error.rs, lib/mempool.rs, lib/wallet.rs, app/error.rs; those that
 * were seen on a running node stand in test/vectors/thunder/conversation.jsonl.
 */
export const WORDS = {
  doubleSpent: "node error: mempool error: can't add transaction, utxo double spent",
  wrongKey: 'node error: state error: wrong public key for address',
  notAuthorized: 'node error: state error: failed to verify authorization',
  valueIn: 'node error: state error: value in is less than value out',
  /** An input that is unknown, spent, or named with a wrong hash; the forest has no such leaf. */
  noLeaf: 'utreexo error (Could not find node)',
  noLeafOnSubmit: 'node error: state error: utreexo error (Could not find node)',
  noCoin: (outPoint: string) => `node error: state error: utxo ${outPoint} doesn't exist`,
  wrongHash: (computed: string, outPoint: string, given: string) =>
    `node error: state error: Computed Utxo hash (${computed}) for input (${outPoint}) ` +
    `does not match input hash (${given})`,
  spendsWithdrawal: (outPoint: string) =>
    `node error: state error: withdrawal output ${outPoint} cannot be spent by a transaction`,
  noBmmResult: (sideHash: string) =>
    `node error: archive error: no BMM result with block ${sideHash}`,
  /** The task that connects blocks died of a panic while it worked for this call. */
  panicNow:
    'node error: net task error: Receive reorg result cancelled (oneshot): oneshot canceled',
  /** It had died before. */
  panicBefore:
    'node error: net task error: Send new tip ready failed: send failed because receiver is gone',
  noFunds: 'not enough funds',
  notOurCoin: 'utxo does not exist',
  noSeed: 'wallet does not have a seed (set with RPC `set-seed-from-mnemonic`)',
  otherSeed: 'seed has already been set',
  wordCount: (count: number) => `invalid number of words in phrase: ${count}`,
  noMainWallet: 'No CUSF mainchain wallet client',
  miner: (message: string) =>
    `miner error: CUSF mainchain proto error: code: 'Unknown error', message: ${JSON.stringify(message)}`,
  deposit: (message: string) =>
    `CUSF mainchain proto error: code: 'Unknown error', message: ${JSON.stringify(message)}`,
} as const
