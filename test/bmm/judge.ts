import { Block } from 'bitcoinjs-lib'
import { toHex } from '../../src/lib/bytes.ts'

/**
 * What an enforcer says of a block, written from the rules alone and with another parser, so that
 * it shares no mistake with the code that it judges. Source: bip300301_enforcer 49c84f3,
 * lib/validator/task/mod.rs.
 */
export type ChainState = {
  readonly opcode: number
  readonly active: ReadonlySet<number>
  /** The treasury coin of a slot: `txid:vout` in display order, and its value. */
  readonly treasuries: ReadonlyMap<number, { readonly coin: string; readonly value: bigint }>
  /** Ids of pending withdrawals that have enough votes, internal order. */
  readonly ready: ReadonlySet<string>
  /** How many withdrawals are pending in a slot. */
  readonly pending: ReadonlyMap<number, number>
}

/** Why enforcers refuse the block; null when they take it. */
export function complaintOf(raw: Uint8Array, state: ChainState): string | null {
  const block = Block.fromBuffer(raw)
  const [coinbase, ...rest] = block.transactions ?? []
  if (!coinbase) return 'no coinbase'
  const accepted = new Map<number, string>()
  let votes = false
  const acks = new Set<number>()
  for (const { script } of coinbase.outs) {
    const push = onePush(script)
    const tag = push && toHex(push.subarray(0, 4))
    if (push === null) continue
    if (tag === 'd1617368' && push.length === 37) {
      const slot = push[4] ?? 0
      if (accepted.has(slot)) return 'two M7'
      accepted.set(slot, toHex(push.subarray(5)))
    }
    if (tag === 'd6e1c5df' && push.length === 37) {
      if (acks.has(push[4] ?? 0)) return 'two M2'
      acks.add(push[4] ?? 0)
    }
    if (tag === 'd77d1776' && push.length > 4) {
      if (votes) return 'two M4'
      votes = true
      const complaint = push[4] === 1 ? voteComplaint([...push.subarray(5)], state) : null
      if (complaint) return complaint
    }
  }
  const treasuries = new Map(state.treasuries)
  const bids = new Set<number>()
  const previous = toHex(block.prevHash ?? new Uint8Array())
  for (const transaction of rest) {
    const moved = treasuryComplaint(transaction, treasuries, state)
    if (moved) return moved
    const first = toHex(transaction.outs[0]?.script ?? new Uint8Array())
    const bid = /^6a4400bf00(..)(.{64})(.{64})$/.exec(first)
    if (!bid) continue
    const slot = Number.parseInt(bid[1] ?? '', 16)
    if (accepted.get(slot) !== bid[2]) return 'M8 without its M7'
    if (bid[3] !== previous) return 'M8 expired'
    if (bids.has(slot)) return 'two M8'
    bids.add(slot)
  }
  return null
}

type Moved = NonNullable<Block['transactions']>[number]

function treasuryComplaint(
  transaction: Moved,
  treasuries: Map<number, { readonly coin: string; readonly value: bigint }>,
  { opcode, active, ready }: ChainState,
): string | null {
  const spent = new Set(
    transaction.ins.map(({ hash, index }) => `${toHex(hash.slice().reverse())}:${index}`),
  )
  const made = new Map<number, { readonly vout: number; readonly value: bigint }>()
  for (const [vout, { script, value }] of transaction.outs.entries()) {
    const [first, push, slot = -1, last] = script
    const isTreasury = script.length === 4 && first === opcode && push === 1 && last === 0x51
    if (!isTreasury || !active.has(slot)) continue
    if (made.has(slot)) return 'two treasury outputs'
    made.set(slot, { vout, value })
  }
  for (const [slot, { coin }] of treasuries)
    if (spent.has(coin) && !made.has(slot)) return 'treasury spent, none made'
  for (const [slot, { vout, value }] of made) {
    const old = treasuries.get(slot)
    if (old && !spent.has(old.coin)) return 'old treasury unspent'
    const before = old?.value ?? 0n
    if (value === before) return 'treasury unchanged'
    if (value > before) {
      const next = transaction.outs[vout + 1]
      if (!next || onePush(next.script) === null) return 'no deposit address'
    } else if (transaction.ins.length !== 1 || vout !== 0 || !isReady(transaction, before, ready))
      return 'withdrawal not voted for'
    treasuries.set(slot, { coin: `${transaction.getId()}:${vout}`, value })
  }
  return null
}

function isReady(transaction: Moved, before: bigint, ready: ReadonlySet<string>): boolean {
  const after = transaction.outs.reduce((sum, { value }) => sum + value, 0n)
  const fee = new Uint8Array(8)
  new DataView(fee.buffer).setBigUint64(0, before - after)
  const blinded = transaction.clone()
  blinded.ins = []
  blinded.outs[0] = { value: 0n, script: Uint8Array.of(0x6a, 8, ...fee) }
  return ready.has(toHex(blinded.getHash()))
}

function voteComplaint(votes: readonly number[], { active, pending }: ChainState): string | null {
  const slots = [...active].sort((a, b) => a - b)
  if (votes.length !== slots.length) return 'wrong number of votes'
  const isBad = votes.some((vote, i) => vote < 0xfe && vote >= (pending.get(slots[i] ?? -1) ?? 0))
  return isBad ? 'vote for no withdrawal' : null
}

/** The data of a script that is OP_RETURN and one push. */
function onePush(script: Uint8Array): Uint8Array | null {
  const opcode = script[1] ?? 0xff
  if (script[0] !== 0x6a || opcode > 0x4e) return null
  const width = [0, 1, 2, 4][Math.max(0, opcode - 0x4b)] ?? 0
  const view = new DataView(new Uint8Array([...script, 0, 0, 0, 0]).buffer)
  const length = [opcode, view.getUint8(2), view.getUint16(2, true), 0, view.getUint32(2, true)]
  return script.length === 2 + width + (length[width] ?? 0) ? script.subarray(2 + width) : null
}
