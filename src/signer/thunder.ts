import type { CoinManifest, Purpose, SpentOutput, ThunderSignRequest } from '../approval/index.ts'
import { equalBytes } from '../lib/bytes.ts'
import type { Txid } from '../lib/ids.ts'
import { MAX_MONEY_SATS } from '../lib/money.ts'
import { isBurnAddress, parseBareAddress, type ThunderAddress } from '../lib/thunder/address.ts'
import { type Authorization, authorize } from '../lib/thunder/authorization.ts'
import { type ThunderKey, thunderKey } from '../lib/thunder/keys.ts'
import {
  type Input,
  type Output,
  outputTotal,
  parseTransaction,
  thunderTxid,
  utxoHash,
} from '../lib/thunder/transaction.ts'
import type { Descriptor, WalletOutput } from './descriptor.ts'

/** More coins in one transaction are refused; a batch of the pool has a hundred at most. */
const INPUTS_MAX = 700
/** What this host signs for on Thunder. */
const PURPOSES: ReadonlySet<Purpose> = new Set(['payout', 'withdrawal'])

/** The keys of this host on Thunder, by the address that each spends from. */
export type ThunderWallet = ReadonlyMap<ThunderAddress, ThunderKey>

/** @param count of addresses, from the first that a Thunder wallet gives out */
export function thunderWallet(seed: Uint8Array, count: number): ThunderWallet {
  const keys = Array.from({ length: count }, (_, index) => thunderKey(seed, index + 1))
  return new Map(keys.map(key => [key.address, key]))
}

/** What became of a transaction that was asked to be signed. */
export type CheckedThunder =
  | {
      readonly kind: 'good'
      readonly bytes: Uint8Array
      readonly txid: Txid
      /** Whose key signs for each input. */
      readonly owners: readonly ThunderAddress[]
    }
  | { readonly kind: 'refused'; readonly reason: string }

type Asked = Pick<ThunderSignRequest, 'transaction' | 'spent' | 'payeeIndex'>

/**
 * Whether bytes are a version of a manifest and nothing else. Each input carries a hash of its
 * outpoint and of what its coin holds, so that what the pool says of the coins is made into that
 * hash again: where it lied, no node takes the transaction, and nothing is signed.
 *
 * @param home our wallet on the main chain, the only one that withdrawals go to; null without one
 * Source: thunder-rust, types/transaction.rs.
 */
export function checkThunderTransaction(
  { transaction: bytes, spent, payeeIndex }: Asked,
  manifest: CoinManifest,
  { wallet, home }: { readonly wallet: ThunderWallet; readonly home: Descriptor | null },
): CheckedThunder {
  const transaction = parseTransaction(bytes)
  if (transaction === null) return refused('the transaction cannot be read')
  const { inputs, outputs } = transaction
  if (!PURPOSES.has(manifest.purpose) || manifest.wallet !== 'hot')
    return refused('this host pays miners on Thunder or withdraws to us, and nothing else')
  if (inputs.length > INPUTS_MAX) return refused('it spends too many coins')
  if (spent.length !== inputs.length) return refused('it does not say what each coin holds')
  const names = new Set(inputs.map(({ outPoint: { hash, vout } }) => `${hash}:${vout}`))
  if (names.size !== inputs.length) return refused('it spends a coin twice')
  const owners: ThunderAddress[] = []
  let value = 0n
  for (const [index, input] of inputs.entries()) {
    const coin = coinOf(spent[index], input)
    if (coin === null) return refused(`input ${index} is not of the coin that the pool told`)
    if (!wallet.has(coin.address)) return refused(`input ${index} is no coin of this wallet`)
    owners.push(coin.address)
    value += outputTotal(coin)
  }
  const wrong =
    anchorComplaint(inputs, manifest) ??
    (outputs.length === manifest.payees.length + 1
      ? null
      : 'its outputs are not the payees and one change') ??
    (manifest.purpose === 'withdrawal'
      ? withdrawalComplaint(outputs, manifest, home?.at({ chain: 0, index: payeeIndex ?? 0 }))
      : payeesComplaint(outputs, manifest)) ??
    changeComplaint(outputs, manifest, wallet) ??
    feeComplaint(value, outputs, manifest)
  if (wrong !== null) return refused(wrong)
  return { kind: 'good', bytes, txid: thunderTxid(bytes), owners }
}

/** One authorization for each input, in their order. The same bytes get the same ones again. */
export function authorizeAll(
  { bytes, owners }: Extract<CheckedThunder, { kind: 'good' }>,
  wallet: ThunderWallet,
): readonly Authorization[] {
  return owners.map(owner => {
    const key = wallet.get(owner)
    if (key === undefined) throw new Error('a transaction is checked by the wallet that signs')
    return authorize(bytes, key.privateKey)
  })
}

function refused(reason: string): CheckedThunder {
  return { kind: 'refused', reason }
}

/** @returns null where it is not what the input's hash is of */
function coinOf(told: SpentOutput | undefined, { outPoint, utxoHash: hash }: Input): Output | null {
  const address = told && parseBareAddress(told.address)
  if (!address || told.valueSats > MAX_MONEY_SATS) return null
  const coin: Output = { address, content: { kind: 'value', value: told.valueSats } }
  return equalBytes(utxoHash(outPoint, coin), hash) ? coin : null
}

function anchorComplaint([first]: readonly Input[], { anchor }: CoinManifest): string | null {
  const isAnchor = first?.outPoint.hash === anchor.txid && first.outPoint.vout === anchor.vout
  return isAnchor ? null : 'its first input is not the anchor'
}

function payeesComplaint(outputs: readonly Output[], { payees }: CoinManifest): string | null {
  for (const [index, { destination, amount }] of payees.entries()) {
    const address = parseBareAddress(destination)
    if (address === null || isBurnAddress(address))
      return `payee ${index} is no address of Thunder that somebody can spend from`
    if (!pays(outputs[index], address) || outputs[index]?.content.value !== amount)
      return `output ${index} is not what payee ${index} gets`
  }
  return null
}

/**
 * A withdrawal pays one address of the main chain, which must be of our own wallet there. Until a
 * bundle pays it, and where one fails, it is its owner's on Thunder: the same as its change.
 *
 * @param place of the wallet that the pool says it is; the script decides
 */
function withdrawalComplaint(
  [output]: readonly Output[],
  { payees: [payee], change }: CoinManifest,
  place: WalletOutput | undefined,
): string | null {
  if (payee === undefined || place?.address !== payee.destination)
    return 'it does not go to the address of our hot wallet that the pool named'
  if (output?.content.kind !== 'withdrawal') return 'its first output is no withdrawal'
  const { value, mainScript } = output.content
  if (value !== payee.amount || !equalBytes(mainScript, place.script))
    return 'its withdrawal is not what was approved'
  return output.address === change ? null : 'its withdrawal is not ours on Thunder'
}

function changeComplaint(
  outputs: readonly Output[],
  { change }: CoinManifest,
  wallet: ThunderWallet,
): string | null {
  const address = parseBareAddress(change)
  if (address === null || !pays(outputs.at(-1), address))
    return 'its change does not go where the manifest says'
  return wallet.has(address) ? null : 'its change is not ours'
}

/** A withdrawal would leave for the main chain, whatever address it names here. */
function pays(output: Output | undefined, address: ThunderAddress): boolean {
  return output?.address === address && output.content.kind === 'value'
}

/** Whatever no output pays to anybody is a fee, that of the main chain's miners too. */
function feeComplaint(
  spent: bigint,
  outputs: readonly Output[],
  { feeMax }: CoinManifest,
): string | null {
  const fee = spent - outputs.reduce((sum, { content }) => sum + content.value, 0n)
  if (fee < 0n) return 'it pays more than it spends'
  return fee <= feeMax ? null : `its fee of ${fee} sat is above the approved ${feeMax}`
}
