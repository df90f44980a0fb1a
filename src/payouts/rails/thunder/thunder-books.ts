import { chartAccount } from '../../../ledger/index.ts'
import type { RailBooks } from '../../rail.ts'

/** Where the money on Thunder stands in the ledger; there is no cold wallet. */
export const THUNDER_BOOKS: RailBooks = {
  float: chartAccount('thunderFloat'),
  cold: null,
  out: chartAccount('thunderOut'),
  transit: { withdrawal: chartAccount('thunderWithdrawal') },
  fee: chartAccount('feeThunder'),
}
