import { ownCandidate } from '../../../src/devnet/sidechain/enforcer/producer.ts'
import type { Candidate } from '../../../src/devnet/sidechain/enforcer/template.ts'
import type { SendOutcome } from '../../../src/devnet/sidechain/enforcer/wallet.ts'
import { assert } from '../../../src/lib/assert.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { blockHash } from '../../../src/lib/ids.ts'
import {
  criticalHash,
  type ThunderBlock,
  thunderMerkleRoot,
} from '../../../src/lib/thunder/block.ts'
import { blockOf, rawOf, recordedCall, signedOf } from './recording.ts'
import { RECORDED_BLOCKS } from './scripted-main.ts'
import type { Replayed } from './scripted-node.ts'

/**
 * What happened before a recorded call and was not recorded, or what the parts around the stand-ins
 * did. A step that returns stand-ins begins another chain with them.
 */
export type Step = (now: Replayed) => Replayed | Promise<void> | undefined

/** Several steps in a row. */
export function steps(...all: readonly Step[]): Step {
  return async now => {
    for (const step of all) await step(now)
  }
}

/** The node would mine these next. */
export function mempool(...candidates: readonly Candidate[]): Step {
  return ({ script }) => {
    script.mempool = candidates
    return undefined
  }
}

/** A transaction whose raw form was asked of the node in that line. */
export function waiting(line: number, fee: bigint): Candidate {
  return { ...ownCandidate(fromHex(rawOf(line))), fee }
}

/** A transaction that a recorded template holds, and that nobody asked the node for. */
export function inTemplate(line: number, fee: bigint): Candidate {
  const [, data = ''] = /"data":"([0-9a-f]+)","txid"/.exec(textOf(line)) ?? []
  return { ...ownCandidate(fromHex(data)), fee }
}

/** The enforcer's wallet makes the transaction that the line's reply names. */
export function makes(line: number): Step {
  const [txid] = /[0-9a-f]{64}/.exec(textOf(line)) ?? []
  assert(txid !== undefined, 'the reply names a transaction')
  const isRefused = textOf(line).includes('broadcast deposit transaction failed')
  const outcome: SendOutcome = { kind: isRefused ? 'not relayed' : 'sent', txid }
  return ({ script }) => {
    script.sends.push(outcome)
    return undefined
  }
}

function textOf(line: number): string {
  return JSON.stringify(recordedCall(line).reply)
}

/** A main block that was recorded apart from the conversation. */
export function mined(hash: string): Step {
  return ({ script }) => {
    const hex = RECORDED_BLOCKS.get(hash)
    assert(hex !== undefined, 'the block is recorded')
    script.main.submit(hex)
    return undefined
  }
}

/** A call that drew an address of the Thunder wallet. */
export const drawAddress: Step = ({ thunder }) => {
  thunder.wallet.newAddress()
  return undefined
}

/** The transaction of a later line is submitted now. */
export function submits(line: number): Step {
  return ({ thunder }) => {
    assert(thunder.submit(signedOf(line)).kind === 'done', 'the transaction is taken')
    return undefined
  }
}

/**
 * A side block without transactions that was not recorded, on the block of a recorded line. That
 * its hash comes out right proves what it held.
 */
export function emptyBlockOn(line: number, mainHash: string, hash: string): ThunderBlock {
  const { header: parent } = blockOf(line)
  const header = {
    merkleRoot: thunderMerkleRoot([], []),
    prevSideHash: criticalHash(parent),
    prevMainHash: blockHash(mainHash),
    roots: parent.roots,
  }
  assert(criticalHash(header) === hash, 'the block is known by its hash')
  return { header, body: { coinbase: [], transactions: [], authorizations: [] } }
}

/** Such a block becomes the tip. */
export function connects(block: ThunderBlock, mainHash: string): Step {
  return async ({ thunder }) => {
    const outcome = await thunder.connect(block, mainHash)
    assert(outcome.kind === 'done' && outcome.value, 'the block is the new tip')
  }
}
