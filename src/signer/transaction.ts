import { Psbt, Transaction } from 'bitcoinjs-lib'
import type { CoinManifest } from '../approval/index.ts'
import type { Output } from '../lib/bitcoin/tx.ts'
import { equalBytes, fromHex, toHex } from '../lib/bytes.ts'
import { type Txid, txid } from '../lib/ids.ts'
import { MAX_MONEY_SATS } from '../lib/money.ts'
import type { Descriptor, Place, WalletOutput } from './descriptor.ts'
import { type DepositRules, expectedOutputs, isOutput, isTreasury, scriptOf } from './outputs.ts'

/** More coins in one transaction are refused: it would not be relayed either. */
const INPUTS_MAX = 700
/** A script deeper in the wallet is refused, so that a seed alone finds all of it again. */
const INDEX_MAX = 1_000_000
/** Replaceable. Source: BIP 125. */
const SEQUENCE = 0xfffffffd
/** Places that are tried for one script; a wallet of one descriptor needs one. */
const PLACES_MAX = 4
const SIGHASH_ALL = Transaction.SIGHASH_ALL

type PsbtInput = Psbt['data']['inputs'][number]

/** What became of a PSBT that was asked to be signed. */
export type CheckedTransaction =
  | {
      readonly kind: 'good'
      /** Made here from our own descriptor: nothing that a stranger wrote is in it. */
      readonly psbt: Psbt
      readonly txid: Txid
    }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Whether a PSBT is a version of a manifest and nothing else. Only the bare transaction, the
 * transactions that its coins come from, and hints where in our wallet their scripts are, are
 * read; everything that is signed is then made anew from our own descriptor.
 *
 * A signature of segwit version 0 commits to the amount of its own coin only. One who lies about
 * the others could have two versions signed in each of which the fee looks right, and take from
 * each the signatures that together spend it all on fees. Each coin's whole transaction is
 * therefore required, of Taproot coins too: its hash is in the outpoint, so no amount can be lied
 * about. (Remembering the amounts of a txid would leave the first lie; that is why not.)
 *
 * A deposit may spend one coin more, behind our own: that of the sidechain's treasury.
 *
 * @param deposits where deposits may go; null where none are signed
 * Source: BIP 143, BIP 174 and the fee attack on it of 2020; BIP 341.
 */
export function checkTransaction(
  psbtBytes: Uint8Array,
  manifest: CoinManifest,
  descriptor: Descriptor,
  deposits: DepositRules | null,
): CheckedTransaction {
  const given = read(() => Psbt.fromBuffer(psbtBytes))
  if (given === null) return refused('the PSBT cannot be read')
  const unsigned = read(() => Transaction.fromBuffer(given.data.getTransaction()))
  if (unsigned === null) return refused('the PSBT has no transaction')
  if (unsigned.ins.length > INPUTS_MAX) return refused('it spends too many coins')
  const psbt = new Psbt()
  psbt.setVersion(2).setLocktime(0)
  let spent = 0n
  let treasury: bigint | null = null
  for (const [index, input] of unsigned.ins.entries()) {
    const told = given.data.inputs[index]
    const coin = told && coinOf(told, txidOf(input.hash), input.index)
    if (!coin) return refused(`input ${index} comes without the transaction that made its coin`)
    if (told.sighashType !== undefined && told.sighashType !== SIGHASH_ALL)
      return refused(`input ${index} asks for a signature that does not cover everything`)
    spent += coin.value
    const isLast = index > 0 && index === unsigned.ins.length - 1
    if (isLast && mayBeTreasury(manifest, coin.script, deposits)) {
      const { hash, index: vout } = input
      psbt.addInput({ hash, index: vout, sequence: SEQUENCE, nonWitnessUtxo: fromHex(coin.txHex) })
      treasury = coin.value
      continue
    }
    const ours = ownOutput(descriptor, coin.script, placesOf(told))
    if (ours === null) return refused(`input ${index} is no coin of this wallet`)
    ours.addInput(psbt, { txHex: coin.txHex, vout: input.index })
  }
  if (manifest.network !== descriptor.network) return refused('it is of another network')
  const expected = expectedOutputs(manifest, descriptor.network, { treasury, deposits })
  if (expected.kind === 'refused') return expected
  const wrong =
    anchorComplaint(unsigned, manifest) ??
    outputsComplaint(unsigned, expected.outputs) ??
    changeComplaint(unsigned, manifest, descriptor, placesOf(given.data.outputs.at(-1))) ??
    feeComplaint(spent, unsigned, manifest)
  if (wrong !== null) return refused(wrong)
  for (const { script, value } of unsigned.outs) psbt.addOutput({ script, value })
  // The last word: version, lock time, sequences and whatever else is in a transaction.
  if (!equalBytes(psbt.data.getTransaction(), given.data.getTransaction()))
    return refused('it has another form than ours: version 2, no lock time, replaceable')
  return { kind: 'good', psbt, txid: txid(unsigned.getId()) }
}

type Told = Psbt['data']['inputs'][number] | Psbt['data']['outputs'][number] | undefined

function refused(reason: string): CheckedTransaction {
  return { kind: 'refused', reason }
}

/** The coin that an outpoint names, as the transaction with that very id made it. */
function coinOf(input: PsbtInput, id: Txid, vout: number) {
  const bytes = input.nonWitnessUtxo
  const made = bytes && read(() => Transaction.fromBuffer(bytes))
  const out = made && made.getId() === id ? made.outs[vout] : undefined
  if (!made || !out || out.value < 0n || out.value > MAX_MONEY_SATS) return null
  return { script: out.script, value: out.value, txHex: made.toHex() }
}

/** Hints only: the script decides. Origins are ignored, the last two steps are chain and index. */
function placesOf(told: Told): Place[] {
  const paths = [...(told?.bip32Derivation ?? []), ...(told?.tapBip32Derivation ?? [])]
  const places = paths.flatMap(({ path }): Place[] => {
    const [, chain, index] = /\/([01])\/(\d{1,7})$/.exec(path) ?? []
    if (chain === undefined || Number(index) > INDEX_MAX) return []
    return [{ chain: chain === '0' ? 0 : 1, index: Number(index) }]
  })
  const names = new Set<string>()
  return places
    .filter(({ chain, index }) => {
      const name = `${chain}/${index}`
      return !names.has(name) && names.add(name)
    })
    .slice(0, PLACES_MAX)
}

function ownOutput(
  descriptor: Descriptor,
  script: Uint8Array,
  places: readonly Place[],
): WalletOutput | null {
  for (const place of places) {
    const output = descriptor.at(place)
    if (equalBytes(output.script, script)) return output
  }
  return null
}

function anchorComplaint({ ins }: Transaction, { anchor }: CoinManifest): string | null {
  const first = ins[0]
  const isAnchor = first && txidOf(first.hash) === anchor.txid && first.index === anchor.vout
  return isAnchor ? null : 'its first input is not the anchor'
}

/** The coin that a deposit spends beside ours; no other purpose touches one. */
function mayBeTreasury(
  { purpose }: CoinManifest,
  script: Uint8Array,
  deposits: DepositRules | null,
): boolean {
  return purpose === 'deposit' && deposits !== null && isTreasury(script, deposits)
}

function outputsComplaint({ outs }: Transaction, expected: readonly Output[]): string | null {
  if (outs.length !== expected.length + 1) return 'its outputs are not the payees and one change'
  const wrong = expected.findIndex((output, index) => !isOutput(outs[index], output))
  return wrong < 0 ? null : `output ${wrong} is not what payee ${wrong} gets`
}

function changeComplaint(
  { outs }: Transaction,
  { change }: CoinManifest,
  descriptor: Descriptor,
  changePlaces: readonly Place[],
): string | null {
  const script = scriptOf(change, descriptor.network)
  const last = outs.at(-1)
  if (script === null || !last || !equalBytes(last.script, script))
    return 'its change does not go where the manifest says'
  return ownOutput(descriptor, script, changePlaces) ? null : 'its change is not ours'
}

function feeComplaint(
  spent: bigint,
  { outs }: Transaction,
  { feeMax }: CoinManifest,
): string | null {
  const fee = spent - outs.reduce((sum, { value }) => sum + value, 0n)
  if (fee < 0n) return 'it pays more than it spends'
  return fee <= feeMax ? null : `its fee of ${fee} sat is above the approved ${feeMax}`
}

function txidOf(hash: Uint8Array): Txid {
  return txid(toHex(hash.slice().reverse()))
}

/** The library throws where bytes are not what they should be; here that is an answer. */
function read<T>(attempt: () => T): T | null {
  try {
    return attempt()
  } catch {
    return null
  }
}
