import type { Txid } from '../../../lib/ids.ts'
import type { ThunderClient } from '../../../lib/nodes/thunder-client.ts'
import { type Outpoint, outpointText } from '../../outpoint.ts'
import type { Version } from '../../version-store.ts'
import type { CoinEvidence, CoinFate, MainPlace, VersionEvidence } from './evidence.ts'
import type { Chains } from './thunder-parts.ts'
import { outpointOf, type ThunderCoin } from './transaction.ts'

type Asked = { readonly client: ThunderClient; readonly chains: Chains }

/**
 * Where each version stands: in a block of Thunder's best chain, or else in its mempool. What the
 * node says of a transaction counts only where it shows it; that it shows none proves nothing.
 */
export async function versionEvidence(
  { client, chains }: Asked,
  versions: readonly Version[],
): Promise<VersionEvidence[]> {
  const block = await chains.side.find(new Set(versions.map(({ txid }) => txid)), false)
  const place = block && (await chains.placeOf(block))
  return Promise.all(
    versions.map(async ({ version, txid, fee, raw }) => ({
      ...{ version, txid, fee },
      isSigned: raw !== null,
      place: block?.txids.has(txid) ? place : null,
      isInMempool: block === null && raw !== null && (await isKnown(client, txid)),
    })),
  )
}

async function isKnown(client: ThunderClient, txid: Txid): Promise<boolean> {
  return (await client.getTransaction(txid)) !== null
}

/** What became of coins: what is not unspent is looked for among what their addresses spent. */
export async function coinFates(
  asked: Asked,
  coins: readonly ThunderCoin[],
): Promise<readonly CoinEvidence[]> {
  const { client } = asked
  if (coins.length === 0) return []
  const addresses = [...new Set(coins.map(({ address }) => address))]
  const unspent = new Set(
    (await client.getUtxos(addresses)).map(coin => outpointText(outpointOf(coin))),
  )
  const missing = coins.filter(coin => !unspent.has(outpointText(outpointOf(coin))))
  const spenders = await spendersOf(client, missing)
  return Promise.all(
    coins.map(async coin => {
      const name = outpointOf(coin)
      if (!missing.includes(coin)) return { coin: name, fate: { kind: 'unspent' } as const }
      return { coin: name, fate: await fateOf(asked, spenders, name) }
    }),
  )
}

/** Where a side block that has a transaction stands; null where Thunder's best chain has none. */
export async function placeOfTransaction(
  { chains }: Pick<Asked, 'chains'>,
  id: Txid,
): Promise<MainPlace | null> {
  const block = await chains.side.find(new Set([id]), true)
  return block && chains.placeOf(block)
}

type Spender = Txid | 'bundle'

async function spendersOf(
  client: ThunderClient,
  missing: readonly ThunderCoin[],
): Promise<ReadonlyMap<string, Spender>> {
  if (missing.length === 0) return new Map()
  const spent = await client.getStxos([...new Set(missing.map(({ address }) => address))])
  return new Map(
    spent.map(each => {
      const by = each.inPoint.kind === 'regular' ? each.inPoint.txid : ('bundle' as const)
      return [outpointText(outpointOf(each)), by]
    }),
  )
}

async function fateOf(
  asked: Asked,
  spenders: ReadonlyMap<string, Spender>,
  coin: Outpoint,
): Promise<CoinFate> {
  const by = spenders.get(outpointText(coin))
  if (by === undefined) return { kind: 'not there' }
  if (by === 'bundle') return { kind: 'withdrawn' }
  return { kind: 'spent', by, place: await placeOfTransaction(asked, by) }
}
