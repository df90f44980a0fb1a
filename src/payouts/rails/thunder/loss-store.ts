import { unreachable } from '../../../lib/assert.ts'
import { journalKey, type UnixMs, unixMs } from '../../../lib/ids.ts'
import { type LossOutcome, postLoss } from '../../loss-store.ts'
import { isSame, type Outpoint, outpointText } from '../../outpoint.ts'
import { versionsAmong } from '../../version-store.ts'
import type { ThunderCapitalParts } from './capital-store.ts'
import { chainsOf } from './chains-client.ts'
import { heldAmong, type NotedThunderCoin, openThunderCoins } from './coin-store.ts'
import { coinFates } from './evidence-client.ts'
import type { SideBlock } from './side-chain-client.ts'
import { THUNDER_BOOKS } from './thunder-books.ts'
import { outpointOf } from './transaction.ts'
import { youngBlocks } from './young-client.ts'

const MS_PER_SECOND = 1000

/**
 * Books a coin on Thunder that is lost for good as an expense, after people have looked. The coin
 * stays noted, and counts no more even where it comes back.
 *
 * ```
 * what Thunder says of it                        written off
 * it is unspent                                  no
 * a transaction of a batch has spent it          no: the books know, or will
 * something else has spent it                    once its main block is final
 * a bundle took it                               no: the bundle may fail
 * it is not there, and a batch of ours made it   no: that is sent again
 * it is not there, and its maker in the mempool  no
 * it is not there                                once a side block made after the coin was noted is
 *                                                final, so that no node which is behind says this
 * ```
 *
 * Nothing is written off that a batch holds. Node trouble is thrown.
 */
export async function writeOffThunder(
  parts: ThunderCapitalParts,
  { outpoint, reason }: { readonly outpoint: Outpoint; readonly reason: string },
): Promise<LossOutcome> {
  const { db, clock } = parts
  const coin = (await openThunderCoins(db)).find(each => isSame(outpointOf(each), outpoint))
  if (!coin) return refused('the books have no such coin on Thunder, or it is spent')
  const complaint = await notLost(parts, coin)
  if (complaint !== null) return refused(complaint)
  const at = clock.now()
  const named = { ...outpointOf(coin), value: coin.value }
  return db.transaction().execute(async (tx): Promise<LossOutcome> => {
    if ((await heldAmong(tx, [named])).size > 0) return refused('a batch holds it')
    const { txid, vout } = named
    const key = journalKey(`loss:thunder:${outpointText(named)}`)
    const account = THUNDER_BOOKS.float
    const loss = { key, coin: named, account, place: 'on Thunder', reason, at }
    const outcome = await postLoss(tx, loss)
    await tx
      .insertInto('thunder_losses')
      .values({ txid, vout, journal_key: key, reason, noted_ms: BigInt(at) })
      .execute()
    return outcome
  })
}

/** Why it is not lost for good, or null. */
async function notLost(parts: ThunderCapitalParts, coin: NotedThunderCoin): Promise<string | null> {
  const { db, client, finality } = parts
  const chains = chainsOf(parts)
  const young = await youngBlocks(chains, finality)
  if ('reason' in young) return young.reason
  const [evidence] = await coinFates({ client, chains }, [coin])
  const fate = evidence?.fate ?? { kind: 'unspent' }
  switch (fate.kind) {
    case 'unspent':
      return 'Thunder has it unspent'
    case 'withdrawn':
      return 'a bundle took it, which may fail'
    case 'spent': {
      const { by, place } = fate
      if ((await versionsAmong(db, [by])).size > 0) return `${by} is a transaction of a batch`
      const isFinal = place?.kind === 'on chain' && place.confirmations >= finality
      return isFinal ? null : `${by} has spent it, not yet for good`
    }
    case 'not there': {
      const { txid } = outpointOf(coin)
      if ((await versionsAmong(db, [txid])).size > 0) return 'a batch made it, and is sent again'
      if (coin.outPoint.kind === 'regular' && (await client.getTransaction(txid)) !== null)
        return 'what made it may be mined again'
      return (await madeAfter(parts, young.final)) > (await notedAt(parts, outpointOf(coin)))
        ? null
        : 'Thunder has no final block yet that is newer than the coin in the books'
    }
    default:
      return unreachable(fate)
  }
}

/** When the main block was made that a side block builds on, as miners say. */
async function madeAfter(
  { node }: Pick<ThunderCapitalParts, 'node'>,
  { prevMainHash }: SideBlock,
): Promise<UnixMs> {
  const header = await node.getBlockHeader(prevMainHash)
  return unixMs((header?.medianTime ?? 0) * MS_PER_SECOND)
}

async function notedAt({ db }: ThunderCapitalParts, { txid, vout }: Outpoint): Promise<UnixMs> {
  const { noted_ms } = await db
    .selectFrom('thunder_coins')
    .select('noted_ms')
    .where('txid', '=', txid)
    .where('vout', '=', vout)
    .executeTakeFirstOrThrow()
  return unixMs(Number(noted_ms))
}

function refused(reason: string): LossOutcome {
  return { kind: 'refused', reason }
}
