import { chartAccount } from '../../../ledger/index.ts'
import type { RailBooks } from '../../rail.ts'

/** Where the money in our channels stands in the ledger; there is no cold wallet. */
export const LIGHTNING_BOOKS: RailBooks = {
  float: chartAccount('lightningFloat'),
  cold: null,
  out: chartAccount('lightningOut'),
  transit: {},
  fee: chartAccount('feeLightning'),
}
