import { blake3 } from '@noble/hashes/blake3.js'
import { concat, fromHex, utf8 } from '../../../lib/bytes.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import { type Sats, sats } from '../../../lib/money.ts'
import type { ThunderAddress } from '../../../lib/thunder/address.ts'
import {
  type Body,
  criticalHash,
  type ForestHash,
  type ThunderBlock,
} from '../../../lib/thunder/block.ts'
import type { SignedTransaction } from '../../../lib/thunder/json.ts'
import { keyOf } from './coins.ts'
import { judgeTransaction, merkleRootOf } from './judge.ts'
import { txidOf } from './mempool.ts'
import type { SideChain } from './side-chain.ts'
import type { WalletOutcome } from './wallet.ts'

/** A block to be mined blindly. */
export type SideTemplate = {
  /** H*, for M7 and M8. */
  readonly criticalHash: string
  readonly block: ThunderBlock
  readonly fees: Sats
}

const TRANSACTIONS_MAX = 1000

/**
 * The block that the node would have mined on a main block. With fees it draws a new address for
 * them, so that each call gives another block.
 *
 * The tip is built on when the main block that it names is on the branch of the given one. That is
 * also so when the block above it, which carried the tip, was the only one given up: then the node
 * builds on a side block that no main block carries any more, and nothing of it is ever connected.
 * Otherwise it builds an empty block on the last side block that lies before the fork for sure.
 *
 * Source: thunder-rust, app/app.rs, build_block_template.
 *
 * @param mainHash known to the archive when there is a tip
 */
export function buildTemplate(
  chain: SideChain,
  mainHash: BlockHash,
  newAddress: () => WalletOutcome<ThunderAddress>,
): WalletOutcome<SideTemplate> {
  const parent = parentFor(chain, mainHash)
  const isOnTip = parent === chain.tip()
  const { transactions, fees } = isOnTip ? takeTransactions(chain) : NOTHING
  const total = sats(fees.reduce((sum, fee) => sum + fee, 0n))
  const address = total === 0n ? null : newAddress()
  if (address?.kind === 'refused') return address
  const body: Body = {
    coinbase:
      address === null
        ? []
        : [{ address: address.value, content: { kind: 'value', value: total } }],
    transactions: transactions.map(({ transaction }) => transaction),
    authorizations: transactions.flatMap(({ authorizations }) => authorizations),
  }
  const merkleRoot = merkleRootOf(body, fees)
  const header = {
    merkleRoot,
    prevSideHash: parent,
    prevMainHash: mainHash,
    roots: standInRoots(parent, merkleRoot),
  }
  const template = { criticalHash: criticalHash(header), block: { header, body }, fees: total }
  return { kind: 'done', value: template }
}

const NOTHING = { transactions: [], fees: [] }

function parentFor(chain: SideChain, mainHash: string): string | null {
  const { archive } = chain
  const tip = chain.tip()
  const header = tip === null ? null : archive.find(tip)
  if (tip === null || header === null) return null
  const fork = archive.main.lastCommon(mainHash, header.prevMainHash).hash
  if (fork === header.prevMainHash) return tip
  for (const hash of archive.ancestors(tip)) {
    const named = archive.find(hash)?.prevMainHash
    if (named !== undefined && named !== fork && archive.main.isDescendant(named, fork)) return hash
  }
  return null
}

/** In the order of their ids; what is not valid any more leaves the mempool. */
function takeTransactions({ mempool, coins }: SideChain) {
  const transactions: SignedTransaction[] = []
  const fees: Sats[] = []
  const spent = new Set<string>()
  for (const signed of mempool.all().slice(0, TRANSACTIONS_MAX)) {
    const keys = signed.transaction.inputs.map(({ outPoint }) => keyOf(outPoint))
    const judgement = judgeTransaction(coins, signed)
    if (judgement.kind === 'refused' || keys.some(key => spent.has(key))) {
      mempool.remove(txidOf(signed.transaction))
      continue
    }
    for (const key of keys) spent.add(key)
    transactions.push(signed)
    fees.push(judgement.fee)
  }
  return { transactions, fees }
}

/**
 * In the place of the real forest's roots: nobody but a node computes those. Two different blocks
 * have different ones, and the same block always the same.
 */
function standInRoots(parent: string | null, merkleRoot: string): ForestHash[] {
  if (parent === null) return []
  const parts = [utf8('simulated forest'), fromHex(parent), fromHex(merkleRoot)]
  return [blake3(concat(...parts))]
}
