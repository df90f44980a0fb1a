import {
  type ArrangementTerms,
  arrangeBlock,
  type BmmConfig,
  type OwnSideBlock,
  type SideNode,
} from '../bmm/index.ts'
import type { Config } from '../config.ts'
import { DRIVECHAIN_OPCODES } from '../lib/bitcoin/drivechain.ts'
import { outputBytes } from '../lib/bitcoin/tx.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { BlockHash, Txid } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { TransactionReply } from '../lib/nodes/block-template.ts'
import { thunderClient } from '../lib/nodes/thunder-client.ts'
import type { Arranging, CoinbaseParts } from '../pool/index.ts'
import { thunderSideNode } from './thunder-side-node.ts'

/** What of a sidechain our next block may have, besides what the template brings. */
export type OwnPart = {
  /** Null while our node has no side block on that parent, or we have no such node. */
  readonly sideBlockOn: (parent: {
    readonly previousBlock: BlockHash
    readonly height: number
  }) => OwnSideBlock | null
  /** Slots with a bundle that fails in the block on that parent; null while it is unknown. */
  readonly failingBundlesOn: (parent: BlockHash) => ReadonlySet<number> | null
  /** Signed transactions of ours, deposits, that may stand at the end of a block on that parent. */
  readonly transactionsOn: (parent: BlockHash) => readonly TransactionReply[]
  /** Treasury coins seen on the chain, as `txid:vout`. */
  readonly treasuryCoins: ReadonlySet<string>
}

/** Deposits of ours that are remembered: there is one at a time, or a few after a reorganisation. */
const GIVEN_MAX = 20

/** How a template is arranged where sidechains are merge-mined. */
export function arrangingFor(bmm: BmmConfig, parts: CoinbaseParts, own: OwnPart): Arranging {
  const opcode = DRIVECHAIN_OPCODES[bmm.drivechainOpcode]
  const given = new Set<Txid>()
  const remember = ({ txid }: TransactionReply) => {
    given.delete(txid)
    given.add(txid)
    const [oldest] = given
    if (given.size > GIVEN_MAX && oldest !== undefined) given.delete(oldest)
  }
  return {
    parts,
    arrange: template => {
      const append = own.transactionsOn(template.previousBlock)
      append.forEach(remember)
      const terms: ArrangementTerms = {
        opcode,
        treasuryCoins: own.treasuryCoins,
        own: own.sideBlockOn(template),
        failingBundles: own.failingBundlesOn(template.previousBlock),
        ownTransactions: append.map(({ data }) => data),
      }
      return { ...arrangeBlock(template, terms), append }
    },
    // What came with the mempool alone can wait for the next template. A deposit of ours cannot, nor
    // can one that must not be in a block any more, as after a freeze.
    isWorthwhile: (next, current) =>
      [...given].some(txid => hasTransaction(next, txid) !== hasTransaction(current, txid)) ||
      next.isEnforced !== current.isEnforced ||
      next.commitments.length !== current.commitments.length ||
      next.commitments.some((output, i) => {
        const before = current.commitments[i]
        return !before || !equalBytes(outputBytes(output), outputBytes(before))
      }),
  }
}

function hasTransaction(
  { transactions }: { readonly transactions: readonly { readonly txid: Txid }[] },
  id: Txid,
): boolean {
  return transactions.some(({ txid }) => txid === id)
}

/**
 * Says when coinbases become longer than small miners can hold, and when they are shorter again.
 *
 * @returns to be told the length of each
 */
export function lengthAlarm(alarmBytes: number, log: Log): (bytes: number) => void {
  let isAlarm = false
  return bytes => {
    const isLong = bytes > alarmBytes
    if (isLong && !isAlarm) log.warn({ bytes, alarmBytes }, 'the coinbase is long')
    if (!isLong && isAlarm) log.info({ bytes, alarmBytes }, 'the coinbase is short again')
    isAlarm = isLong
  }
}

/** What of a configuration says where our Thunder node is. */
export type SideNodeConfig = Pick<Config, 'bmm' | 'network'> & {
  readonly rails: Pick<Config['rails'], 'thunder'>
}

/** Our Thunder node, where our blocks accept its own; the rail's, where there is one. */
export function sideNodeOf({ bmm, network, rails }: SideNodeConfig): SideNode | null {
  const node = bmm?.thunder && (bmm.thunder.node ?? rails.thunder)
  if (!node) return null
  const { publicUrl, privateUrl, authorization } = node
  return thunderSideNode(thunderClient({ publicUrl, privateUrl, authorization, network }), network)
}
