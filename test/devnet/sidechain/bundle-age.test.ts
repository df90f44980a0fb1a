import { expect, test } from 'vitest'
import { judgeBlock } from '../../../src/devnet/sidechain/enforcer/judge-block.ts'
import { readMainTransaction } from '../../../src/devnet/sidechain/enforcer/main-block.ts'
import {
  FIRST_STATE,
  type PegState,
  TEST_CONSTANTS,
} from '../../../src/devnet/sidechain/enforcer/peg-state.ts'
import { draftBlock } from '../../../src/devnet/sidechain/enforcer/template.ts'
import { DRIVECHAIN_OPCODES, withdrawalId } from '../../../src/lib/bitcoin/drivechain.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { blockHash, txid } from '../../../src/lib/ids.ts'

const SLOT = 9
const OPCODE = DRIVECHAIN_OPCODES.nop5
const [HELD, PAID, FEE] = [10_000n, 6_000n, 1_000n]
const { withdrawalBundleMaxAge: AGE_MAX, withdrawalBundleInclusionThreshold: ABOVE } =
  TEST_CONSTANTS
const PAYOUTS = [{ value: PAID, script: fromHex(`0014${'ab'.repeat(20)}`) }]
const WITHDRAWAL = { version: 2, locktime: 0, payouts: PAYOUTS }
const M6ID = withdrawalId({ ...WITHDRAWAL, treasury: HELD - PAID - FEE }, HELD)
const HEIGHT = 100

/** A chain on which a bundle has the votes, and this age in the next block. */
function stateWith(age: number, votes = ABOVE + 1): PegState {
  const sidechain = { slot: SLOT, description: new Uint8Array(), hash: 'aa', votes: 9, height: 1 }
  return {
    ...FIRST_STATE,
    ...{ tip: blockHash('7e'.repeat(32)), height: HEIGHT },
    active: new Map([[SLOT, { ...sidechain, activationHeight: 10 }]]),
    treasuries: new Map([
      [SLOT, { txid: txid('cc'.repeat(32)), vout: 0, value: HELD, sequence: 1n }],
    ]),
    bundles: new Map([[SLOT, [{ m6id: M6ID, votes, height: HEIGHT + 1 - age }]]]),
  }
}

/** The next block of an enforcer that knows the bundle and votes for it. */
function nextBlock(state: PegState) {
  const bundles = [{ slot: SLOT, m6id: M6ID, withdrawal: WITHDRAWAL, fee: FEE }]
  const outcome = draftBlock({
    ...{ state, opcode: OPCODE, candidates: [], subsidy: 50n, payoutFirst: false },
    policy: { proposals: [], acksAll: true, bundles },
    payoutScript: fromHex('51'),
    own: { accepts: new Map(), transactions: [] },
  })
  if (outcome.kind === 'stuck') throw new Error(outcome.reason)
  const { coinbase, transactions } = outcome.draft
  const all = [readMainTransaction(coinbase), ...transactions.map(each => each.transaction)]
  const place = { hash: blockHash('7f'.repeat(32)), previous: state.tip, height: HEIGHT + 1 }
  return { ...place, time: 0, transactions: all }
}

test('a bundle with enough votes is paid in the last block that may', () => {
  const state = stateWith(AGE_MAX)
  const verdict = judgeBlock(state, nextBlock(state), OPCODE)
  if (verdict.kind === 'rejected') throw new Error(verdict.reason)
  expect(verdict.effects.events.map(({ event }) => event.kind)).toEqual(['bundle succeeded'])
})

test('it is offered to the block in which it fails as well, and that block is thrown out', () => {
  const state = stateWith(AGE_MAX + 1)
  const block = nextBlock(state)
  expect(block.transactions).toHaveLength(2)
  const verdict = judgeBlock(state, block, OPCODE)
  expect(verdict).toMatchObject({ kind: 'rejected', reason: expect.stringContaining(M6ID) })
})

test('a block without the payment lets it fail', () => {
  const state = stateWith(AGE_MAX + 1)
  const block = nextBlock(state)
  const verdict = judgeBlock(
    state,
    { ...block, transactions: block.transactions.slice(0, 1) },
    OPCODE,
  )
  if (verdict.kind === 'rejected') throw new Error(verdict.reason)
  expect(verdict.effects.events.map(({ event }) => event.kind)).toEqual(['bundle failed'])
})
