import { Block } from 'bitcoinjs-lib'
import { type Txid, txid } from '../lib/ids.ts'
import { readMessage } from './messages.ts'
import { readRequest } from './request.ts'

/** A side block that a main block accepted. */
export type Acceptance = {
  readonly slot: number
  /** 64 hex digits in the order of the bytes. */
  readonly sideBlock: string
  /** The transaction with the bid; null where nobody bid, as for our own side block. */
  readonly request: Txid | null
}

/**
 * What a block accepted of sidechains, by the M7s of its coinbase and the M8s after it.
 *
 * @param raw a block from a node, which has found it well formed
 */
export function readAcceptances(raw: Uint8Array): readonly Acceptance[] {
  const [coinbase, ...rest] = Block.fromBuffer(raw).transactions ?? []
  const accepted = (coinbase?.outs ?? []).flatMap(({ script }) => {
    const message = readMessage(script)
    return message?.kind === 'M7' ? [message] : []
  })
  if (accepted.length === 0) return []
  const requests = new Map<string, Txid>()
  for (const transaction of rest) {
    const [first] = transaction.outs
    const bid = first ? readRequest(first.script) : null
    if (bid) requests.set(`${bid.slot}:${bid.sideBlock}`, txid(transaction.getId()))
  }
  const slots = new Set<number>()
  return accepted.flatMap(({ slot, sideBlock }) => {
    if (slots.has(slot)) return []
    slots.add(slot)
    return [{ slot, sideBlock, request: requests.get(`${slot}:${sideBlock}`) ?? null }]
  })
}
