import { assert } from '../../lib/assert.ts'
import type { Txid } from '../../lib/ids.ts'
import type { RailBooks } from '../rail.ts'
import { L1_BOOKS } from './l1/l1-parts.ts'
import { txidOf as l1Txid } from './l1/transaction.ts'
import { LIGHTNING_BOOKS } from './lightning/lightning-books.ts'
import { txidOf as thunderTxid } from './thunder/signed.ts'
import { THUNDER_BOOKS } from './thunder/thunder-books.ts'

/** What the core must know of a rail without asking any node. */
export type RailFacts = {
  readonly books: RailBooks
  /**
   * The id of signed bytes, as they are stored; null where a batch is no transaction.
   *
   * @throws Error where they are no transaction
   */
  readonly txidOf: ((raw: Uint8Array) => Txid) | null
}

/** Every rail that there is. A configuration chooses among them. */
export const RAIL_NAMES = ['l1', 'thunder', 'lightning'] as const

const FACTS: Readonly<Record<(typeof RAIL_NAMES)[number], RailFacts>> = {
  l1: { books: L1_BOOKS, txidOf: l1Txid },
  thunder: { books: THUNDER_BOOKS, txidOf: thunderTxid },
  lightning: { books: LIGHTNING_BOOKS, txidOf: null },
}

/** The facts of a rail by the name that batches have it under. */
export function railFacts(name: string): RailFacts {
  const known = RAIL_NAMES.find(each => each === name)
  assert(known !== undefined, 'a batch is on a rail that there is')
  return FACTS[known]
}
