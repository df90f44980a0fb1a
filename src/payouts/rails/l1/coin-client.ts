import type { Txid } from '../../../lib/ids.ts'
import { txid } from '../../../lib/ids.ts'
import { outpointText } from '../../outpoint.ts'
import type { Coin } from '../../rail.ts'
import type { CoinFate, Stranger } from '../../reconcile.ts'
import type { Effect, NotedCoin } from './coins.ts'
import type { WalletClient } from './wallet-client.ts'

/** The blocks whose coinbase an output is, by the transaction's id; asked only for new outputs. */
export async function coinbaseBlocks(
  wallet: WalletClient,
  outputs: readonly Coin[],
): Promise<ReadonlyMap<Txid, string>> {
  const blocks = new Map<Txid, string>()
  for (const id of new Set(outputs.map(({ txid }) => txid))) {
    const found = await wallet.transaction(id)
    if (found?.isCoinbase && found.block !== null) blocks.set(id, found.block)
  }
  return blocks
}

/**
 * What became of coins that the wallet does not list: it hides coins that its mempool spends, and
 * those that somebody locked.
 *
 * @param effects signed versions of ours that may yet confirm: their spending needs no search, and
 * a coin of one that another has displaced is not lost before the batch itself says so
 */
export async function fatesOf(
  wallet: WalletClient,
  coins: readonly NotedCoin[],
  effects: readonly Effect[],
): Promise<readonly { readonly coin: NotedCoin; readonly fate: CoinFate }[]> {
  const spenders = new Map<string, Txid[]>()
  for (const { txid: by, spends } of effects) {
    for (const coin of spends) {
      const name = outpointText(coin)
      spenders.set(name, [...(spenders.get(name) ?? []), by])
    }
  }
  const open = new Set(effects.map(({ txid }) => txid))
  const fates = []
  for (const coin of coins) {
    const known = { candidates: spenders.get(outpointText(coin)) ?? [], open }
    fates.push({ coin, fate: await fateOf(wallet, coin, known) })
  }
  return fates
}

async function fateOf(
  wallet: WalletClient,
  coin: NotedCoin,
  known: { readonly candidates: readonly Txid[]; readonly open: ReadonlySet<Txid> },
): Promise<CoinFate> {
  if (await wallet.isUnspent(coin)) {
    const by = await wallet.mempoolSpender(coin)
    return by === null ? { kind: 'unspent' } : { kind: 'spent', by }
  }
  for (const by of known.candidates) {
    if (((await wallet.transaction(by))?.confirmations ?? 0) > 0) return { kind: 'spent', by }
  }
  const funding = await wallet.transaction(coin.txid)
  const depth = funding?.confirmations ?? 0
  if (funding !== null && depth === 0) return { kind: 'unconfirmed' }
  if (depth < 0 && known.open.has(coin.txid)) return { kind: 'unconfirmed' }
  const by = await wallet.spenderOf(coin)
  return by === null ? { kind: 'gone' } : { kind: 'spent', by }
}

/** What the transactions spend, as the wallet knows them. */
export async function strangersOf(
  wallet: WalletClient,
  ids: readonly Txid[],
): Promise<readonly Stranger[]> {
  const strangers: Stranger[] = []
  for (const id of ids) {
    const found = await wallet.transaction(id)
    const spends = (found?.spends ?? []).flatMap(({ txid: from, vout }) =>
      from === undefined || vout === undefined ? [] : [{ txid: txid(from), vout }],
    )
    strangers.push({ txid: id, spends })
  }
  return strangers
}
