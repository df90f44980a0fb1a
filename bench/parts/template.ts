import { packTransactions } from '../../src/lib/bitcoin/tx.ts'
import { blockHash, type UnixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { Work } from '../../src/pool/template.ts'

/** A full block, and the levels of its merkle tree; the bytes of the transactions are made up. */
const TRANSACTIONS = 3000
const TRANSACTION_BYTES = 400
const BRANCHES = 12
/** About mainnet's: no share of a measurement is a block. */
const HASHES_PER_BLOCK = 5n * 10n ** 23n

/** Height of the first made-up template. */
export const FIRST_HEIGHT = 1000
export const BLOCK_TARGET = 2n ** 256n / HASHES_PER_BLOCK
export const SUBSIDY = sats(312_500_000n)

const TRANSACTION_LIST = packTransactions(
  Array.from({ length: TRANSACTIONS }, (_, i) => new Uint8Array(TRANSACTION_BYTES).fill(i)),
)

/** A made-up template of mainnet's proportions. */
export function templateAt(height: number, now: UnixMs): Work {
  const seconds = Math.floor(now / 1000)
  return {
    height,
    previousBlock: blockHash(height.toString(16).padStart(64, '0')),
    version: 0x20000000,
    bits: 0x17022000,
    target: BLOCK_TARGET,
    minTime: seconds - 3600,
    curTime: seconds,
    value: sats(SUBSIDY + 3_000_000n),
    subsidy: SUBSIDY,
    branches: Array.from({ length: BRANCHES }, (_, i) => new Uint8Array(32).fill(i + 1)),
    witnessCommitment: Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed, ...Array(32).fill(7)),
    commitments: [],
    blockTransactions: TRANSACTION_LIST,
  }
}
