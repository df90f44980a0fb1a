import { Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { requestScript } from '../../src/bmm/request.ts'
import { DRIVECHAIN_OPCODES } from '../../src/lib/bitcoin/drivechain.ts'
import { concat, fromHex, reversed, toHex, utf8 } from '../../src/lib/bytes.ts'
import { blockHash, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { BlockTemplateReply, TransactionReply } from '../../src/lib/nodes/block-template.ts'
import { witnessCommitmentOf } from '../../src/pool/arrangement.ts'
import type { ChainState } from './judge.ts'

/** Transactions that a node without an enforcer could put into a template, however mean. */
export const NOP5 = DRIVECHAIN_OPCODES.nop5
export const TIP = blockHash('7e'.repeat(32))
const STALE = blockHash('5a'.repeat(32))
const SUBSIDY = 5_000_000_000n
const SLOTS_MAX = 3
const TREASURY_VALUE = 1_000_000n
/** Slots 0 and 1 have a treasury, slot 2 has none yet, slot 3 is not active. */
export const STATE: ChainState = {
  opcode: NOP5,
  active: new Set([0, 1, 2]),
  treasuries: new Map([0, 1].map(slot => [slot, { coin: coinOf(slot), value: TREASURY_VALUE }])),
  ready: new Set(),
  pending: new Map(),
}

function coinOf(slot: number): string {
  return `${treasuryTxid(slot)}:0`
}

function treasuryTxid(slot: number): string {
  return `${slot}${'d'.repeat(63)}`
}

type Style = 'witness' | 'script' | 'bare'
type Act =
  | { readonly kind: 'plain' | 'anchor' }
  | { readonly kind: 'bid'; readonly hash: number; readonly isStale: boolean }
  | { readonly kind: 'lookalike'; readonly cut: number }
  | { readonly kind: 'treasury'; readonly grows: bigint; readonly hasAddress: boolean }
  | { readonly kind: 'drain' | 'first deposit' }

/** How one transaction is made; what it spends is taken from what is still unspent. */
export type Recipe = {
  readonly act: Act
  readonly slot: number
  readonly fee: bigint
  readonly style: Style
  /** Which unspent outputs of transactions before it are spent, counted from the newest. */
  readonly spends: readonly number[]
}

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: 'plain' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'anchor' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('bid' as const),
      hash: fc.integer({ min: 0, max: 2 }),
      isStale: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lookalike' as const),
      cut: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('treasury' as const),
      grows: fc.bigInt({ min: -1000n, max: 1000n }),
      hasAddress: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'drain' }, { kind: 'first deposit' }) },
)

export const recipes: fc.Arbitrary<readonly Recipe[]> = fc.array(
  fc.record({
    act,
    slot: fc.integer({ min: 0, max: SLOTS_MAX }),
    fee: fc.bigInt({ min: 0n, max: 50n }),
    style: fc.constantFrom<Style>('witness', 'script', 'bare'),
    spends: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 2 }),
  }),
  { maxLength: 25 },
)

type Coin = { readonly hash: Uint8Array; readonly vout: number; readonly value: bigint }

/** A template's transactions: no coin is spent twice, and parents come first. */
export function mempoolOf(made: readonly Recipe[]): readonly TransactionReply[] {
  const unspent: Coin[] = []
  const treasuries = new Map<number, Coin>(
    [0, 1].map(slot => [
      slot,
      { hash: reversed(fromHex(treasuryTxid(slot))), vout: 0, value: TREASURY_VALUE },
    ]),
  )
  return made.map((recipe, place) => {
    const transaction = new Transaction()
    transaction.version = 2
    spend(transaction, outsideCoin(place), recipe.style === 'bare' ? 'witness' : recipe.style)
    for (const back of recipe.spends) {
      const [coin] = unspent.length > back ? unspent.splice(unspent.length - 1 - back, 1) : []
      if (coin) spend(transaction, coin, recipe.style)
    }
    const treasury = treasuries.get(recipe.slot)
    if (treasury && (recipe.act.kind === 'treasury' || recipe.act.kind === 'drain')) {
      spend(transaction, treasury, recipe.style === 'witness' ? 'bare' : recipe.style)
      treasuries.delete(recipe.slot)
    }
    addOutputs(transaction, recipe, treasury?.value ?? 0n)
    const hash = transaction.getHash()
    transaction.outs.forEach(({ script, value }, vout) => {
      if (script[0] === NOP5) treasuries.set(script[2] ?? 0, { hash, vout, value })
      else if (script[0] !== 0x6a) unspent.push({ hash, vout, value })
    })
    return replyOf(transaction, recipe.fee)
  })
}

function outsideCoin(place: number): Coin {
  return { hash: new Uint8Array(32).fill(place + 1), vout: 0, value: 1n }
}

function spend(transaction: Transaction, { hash, vout }: Coin, style: Style): void {
  const script = style === 'script' ? Uint8Array.of(1, 7) : new Uint8Array()
  const at = transaction.addInput(hash, vout, 0xffffffff, script)
  if (style === 'witness') transaction.setWitness(at, [Uint8Array.of(9)])
}

function addOutputs(transaction: Transaction, { act, slot }: Recipe, held: bigint): void {
  const treasury = Uint8Array.of(NOP5, 1, slot, 0x51)
  const address = concat(Uint8Array.of(0x6a, 3), utf8('abc'))
  if (act.kind === 'bid' || act.kind === 'lookalike') {
    const isStale = act.kind === 'bid' && act.isStale
    const sideBlock = `${act.kind === 'bid' ? act.hash : 3}${'0'.repeat(63)}`
    const script = requestScript({ slot, sideBlock, previousBlock: isStale ? STALE : TIP })
    const cut = act.kind === 'bid' ? 0 : act.cut
    transaction.addOutput(script.subarray(0, script.length - cut), 0n)
  }
  if (act.kind === 'treasury') transaction.addOutput(treasury, held + act.grows + 1000n)
  if (act.kind === 'treasury' && act.hasAddress) transaction.addOutput(address, 0n)
  if (act.kind === 'first deposit') {
    transaction.addOutput(treasury, 5n)
    transaction.addOutput(address, 0n)
  }
  if (act.kind === 'anchor') transaction.addOutput(fromHex('51024e73'), 0n)
  transaction.addOutput(concat(Uint8Array.of(0, 20), new Uint8Array(20).fill(1)), 1000n)
  transaction.addOutput(concat(Uint8Array.of(0, 20), new Uint8Array(20).fill(2)), 1000n)
}

export function replyOf(transaction: Transaction, fee: bigint): TransactionReply {
  return {
    txid: txid(transaction.getId()),
    wtxid: toHex(reversed(transaction.getHash(true))),
    data: new Uint8Array(transaction.toBuffer()),
    fee: sats(fee),
    weight: transaction.weight(),
    sigops: 1,
  }
}

/** The template that has them, as `getblocktemplate` would answer. */
export function templateReply(
  transactions: readonly TransactionReply[],
  changes: Partial<BlockTemplateReply> = {},
): BlockTemplateReply {
  return {
    height: 100,
    previousBlock: TIP,
    version: 0x20000000,
    bits: 0x207fffff,
    target: 0x7fffffn << 232n,
    minTime: 1,
    curTime: 2,
    value: sats(transactions.reduce((sum, { fee }) => sum + fee, SUBSIDY)),
    commitments: [],
    isEnforced: false,
    rules: ['!segwit'],
    mutable: [],
    longPollId: null,
    witnessCommitment: witnessCommitmentOf(transactions),
    signetChallenge: null,
    transactions,
    ...changes,
  }
}
