import { z } from 'zod'
import { messageScript } from '../../../src/bmm/index.ts'
import {
  type EnforcerBlocks,
  enforcerBlocks,
} from '../../../src/devnet/sidechain/enforcer/blocks.ts'
import {
  type MainBlock,
  type MainTransaction,
  readMainBlock,
} from '../../../src/devnet/sidechain/enforcer/main-block.ts'
import type { PegState } from '../../../src/devnet/sidechain/enforcer/peg-state.ts'
import { assert } from '../../../src/lib/assert.ts'
import { readHeightPush } from '../../../src/lib/bitcoin/script.ts'
import { coinbaseOfBlock, parseCoinbase } from '../../../src/lib/bitcoin/tx.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { blockHash, txid } from '../../../src/lib/ids.ts'
import recorded from '../../vectors/bmm-blocks.json' with { type: 'json' }
import { RECORDED } from './recording.ts'

export const NOP5 = 0xb4

/** A block that moved things along and was not recorded: what it must have held. */
export type Filler = {
  readonly hash: string
  readonly previous: string
  /** Seconds since 1970; only the genesis block's is ever asked for. */
  readonly time?: number
  readonly outputs?: readonly Uint8Array[]
  /** The side block of Thunder that it accepted. */
  readonly commitment?: string
  readonly transactions?: readonly MainTransaction[]
}

/** The recorded main chain, with an enforcer's judgement and a node's choice of the tip. */
export type ScriptedMain = {
  readonly blocks: EnforcerBlocks
  readonly tip: () => PegState
  /** As `submitblock` answers it. A block that the enforcer throws out was accepted by the node. */
  readonly submit: (hex: string) => {
    readonly reply: null | 'inconclusive'
    readonly reason: string | null
  }
  readonly fill: (filler: Filler) => void
}

/** Of regtest. */
const GENESIS: Filler = {
  hash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
  previous: '0'.repeat(64),
  time: 1_296_688_602,
}

/** All raw blocks that were recorded, by their hash. */
export const RECORDED_BLOCKS: ReadonlyMap<string, string> = new Map([
  ...recorded.blocks.map(({ hash, hex }) => [hash, hex] as const),
  ...RECORDED.filter(({ method }) => method === 'submitblock').map(({ params }) => {
    const [hex] = z.tuple([z.string()]).parse(params)
    return [readMainBlock(fromHex(hex), 0).hash, hex] as const
  }),
])

export function scriptedMain(first?: PegState): ScriptedMain {
  const blocks = enforcerBlocks(NOP5, first)
  let tip = first ?? blocks.stateAfter('0'.repeat(64))

  function add(block: MainBlock) {
    assert(tip !== null, 'there is a tip')
    const verdict = blocks.add(block)
    if (verdict.kind === 'rejected') return { reply: null, reason: verdict.reason }
    const isLonger = verdict.state.height > tip.height
    if (isLonger) tip = verdict.state
    return { reply: isLonger ? null : ('inconclusive' as const), reason: null }
  }
  function heightAfter(previous: string): number {
    const before = blocks.stateAfter(previous)
    assert(before !== null, `the parent ${previous} is known`)
    return before.height + 1
  }
  function fill(filler: Filler): void {
    const { hash, previous, time = 0, commitment, transactions = [] } = filler
    const accepted = commitment === undefined ? [] : [accept(commitment)]
    const outputs = [...(filler.outputs ?? []), ...accepted]
    const coinbase: MainTransaction = {
      txid: txid(hash),
      version: 2,
      locktime: 0,
      inputs: [],
      outputs: outputs.map(script => ({ value: 0n, script })),
      raw: new Uint8Array(),
    }
    const height = heightAfter(previous)
    const all = [coinbase, ...transactions]
    const names = { hash: blockHash(hash), previous: blockHash(previous) }
    const { reason } = add({ ...names, height, time, transactions: all })
    assert(reason === null, 'a block that was not recorded was a good one')
  }
  if (first === undefined) fill(GENESIS)
  return {
    blocks,
    tip() {
      assert(tip !== null, 'there is a tip')
      return tip
    },
    submit(hex) {
      const raw = fromHex(hex)
      const { previous } = readMainBlock(raw, 0)
      return add(readMainBlock(raw, heightAfter(previous)))
    },
    fill,
  }
}

/** The height that a recorded block's coinbase begins with. */
export function heightOf(hex: string): number {
  const coinbase = parseCoinbase(coinbaseOfBlock(fromHex(hex)) ?? new Uint8Array())
  const height = readHeightPush(coinbase?.scriptSig ?? new Uint8Array())
  assert(height !== null, 'a coinbase begins with its height')
  return height.height
}

/** The state from which a segment of the recordings begins: slot 9 in use since long ago. */
export function stateAt(
  tip: string,
  height: number,
  treasury?: { txid: string; value: bigint; sequence: bigint },
): PegState {
  const sidechain = {
    slot: 9,
    description: new Uint8Array(),
    hash: '',
    votes: 6,
    height: 2,
    activationHeight: 8,
  }
  return {
    tip: blockHash(tip),
    height,
    proposals: [],
    active: new Map([[9, sidechain]]),
    treasuries: new Map(
      treasury
        ? [
            [
              9,
              {
                txid: txid(treasury.txid),
                vout: 0,
                value: treasury.value,
                sequence: treasury.sequence,
              },
            ],
          ]
        : [],
    ),
    bundles: new Map([[9, []]]),
    lastVotes: new Map(),
  }
}

function accept(sideBlock: string): Uint8Array {
  return messageScript({ kind: 'M7', slot: 9, sideBlock })
}

/** The vote for the first bundle of the only slot. */
export const UPVOTE = messageScript({ kind: 'M4', votes: { kind: 'one byte', votes: [0] } })
