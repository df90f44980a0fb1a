import { Psbt, Transaction } from 'bitcoinjs-lib'
import type { CoinManifest } from '../../../approval/index.ts'
import { assert } from '../../../lib/assert.ts'
import {
  depositOutputs,
  readTreasuryOutput,
  type Treasury,
} from '../../../lib/bitcoin/drivechain.ts'
import { type Txid, txid } from '../../../lib/ids.ts'
import { MAX_MONEY_SATS, sats } from '../../../lib/money.ts'
import { parseThunderAddress, type ThunderAddress } from '../../../lib/thunder/address.ts'
import { isSame, type Outpoint } from '../../outpoint.ts'
import type { Payment, TreasuryCoin } from './transaction.ts'

/** What an enforcer says of the coin that a deposit spends. */
export type TreasuryView =
  /** Null before the sidechain's first deposit. */
  | { readonly kind: 'treasury'; readonly coin: TreasuryCoin | null }
  /** It cannot be known now, or no deposit may be made. */
  | { readonly kind: 'waits'; readonly reason: string }

/**
 * What a deposit pays when it spends that coin: the treasury's next coin, greater by the amount, and
 * behind it the bare address to be credited (M5). A deposit needs both in this order.
 *
 * Source: BIP 300; bip300301_enforcer, handle_m5_m6.
 */
export function depositPayments(
  manifest: Pick<CoinManifest, 'payees'>,
  treasury: TreasuryCoin | null,
  { slot, opcode }: Treasury,
): readonly Payment[] {
  const { address, amount } = depositOf(manifest)
  const grown = sats((treasury?.value ?? 0n) + amount)
  return depositOutputs({ slot, opcode, treasury: grown, address }).map(({ script, value }) => ({
    script,
    amount: sats(value),
  }))
}

/** Of every version of a deposit, whatever coin it spends, the output that names who is credited. */
export function addressPayment(
  manifest: Pick<CoinManifest, 'payees'>,
  script: Treasury,
): readonly Payment[] {
  return depositPayments(manifest, null, script).slice(1)
}

/** Whom a deposit is credited to on Thunder, and how much. */
export function depositOf({ payees }: Pick<CoinManifest, 'payees'>): {
  readonly address: ThunderAddress
  readonly amount: bigint
} {
  const [payee] = payees
  assert(payee !== undefined && payees.length === 1, 'a deposit is credited to one address')
  const parsed = parseThunderAddress(payee.destination)
  // A manifest that is read has a bare address; any other form would burn the deposit.
  assert(
    parsed.kind === 'thunder' && parsed.address === payee.destination,
    'a deposit goes to a bare Thunder address',
  )
  return { address: parsed.address, amount: payee.amount }
}

/**
 * The treasury's coin as its own transaction made it.
 *
 * @returns null unless the bytes are that very transaction and the output is of the treasury
 */
export function treasuryCoin(
  madeBy: Uint8Array,
  { txid: id, vout }: Outpoint,
  { slot, opcode }: Treasury,
): TreasuryCoin | null {
  const made = read(() => Transaction.fromBuffer(madeBy))
  const out = made?.getId() === id ? made.outs[vout] : undefined
  if (!out || out.value <= 0n || out.value > MAX_MONEY_SATS) return null
  const script = new Uint8Array(out.script)
  const owner = readTreasuryOutput(script, opcode)
  if (owner !== slot) return null
  return { txid: id, vout, value: sats(out.value), script, madeBy }
}

/** The treasury's coin that a stored version spends; null where it spends none. */
export function treasuryIn(psbt: Uint8Array, script: Treasury): TreasuryCoin | null {
  const { txInputs, data } = Psbt.fromBuffer(psbt)
  const last = txInputs.at(-1)
  const madeBy = data.inputs.at(-1)?.nonWitnessUtxo
  if (!last || !madeBy) return null
  return treasuryCoin(madeBy, { txid: idOf(last.hash), vout: last.index }, script)
}

/**
 * The final transaction where only the treasury's coin is unsigned, as it stays: its script asks for
 * nothing. No node does this, since to it such a transaction is never complete.
 *
 * @param psbt with every other input made final by the node, which has then verified its signatures
 * @returns null where another input is not final
 */
export function finalAround(psbt: Uint8Array, treasury: Outpoint): Uint8Array | null {
  const given = Psbt.fromBuffer(psbt)
  const index = given.txInputs.findIndex(input =>
    isSame({ txid: idOf(input.hash), vout: input.index }, treasury),
  )
  const isFinal = (input: Psbt['data']['inputs'][number]) => input.finalScriptWitness !== undefined
  const others = given.data.inputs.filter((_, at) => at !== index)
  if (index < 0 || !others.every(isFinal)) return null
  given.updateInput(index, { finalScriptSig: new Uint8Array() })
  return new Uint8Array(given.extractTransaction(true).toBuffer())
}

function idOf(hash: Uint8Array): Txid {
  return txid(Buffer.from(hash).reverse().toString('hex'))
}

/** The library throws where bytes are no transaction; here that is an answer. */
function read<T>(attempt: () => T): T | null {
  try {
    return attempt()
  } catch {
    return null
  }
}
