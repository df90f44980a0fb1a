import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockHash } from '../../src/lib/ids.ts'
import { type ChainSight, type Fate, nextFate } from '../../src/pool/fate.ts'

const ours = blockHash('aa'.repeat(32))
const other = blockHash('bb'.repeat(32))
const block = { hash: ours, height: 100 }
const DEPTH = 6

type Case = readonly [string, Fate | null, ChainSight, Fate | null]
const CASES: readonly Case[] = [
  ['booked just now, on the chain', null, { tipHeight: 100, hashThere: ours }, 'found'],
  ['booked just now, off the chain', null, { tipHeight: 300, hashThere: other }, 'found'],
  ['at the tip', 'found', { tipHeight: 100, hashThere: ours }, null],
  ['with 100 confirmations', 'found', { tipHeight: 199, hashThere: ours }, null],
  ['with 101 confirmations', 'found', { tipHeight: 200, hashThere: ours }, 'mature'],
  ['replaced at the tip', 'found', { tipHeight: 100, hashThere: other }, null],
  ['replaced, five blocks above', 'found', { tipHeight: 105, hashThere: other }, null],
  ['replaced, six blocks above', 'found', { tipHeight: 106, hashThere: other }, 'orphaned'],
  ['above a chain that fell back', 'found', { tipHeight: 90, hashThere: null }, null],
  ['orphaned and still replaced', 'orphaned', { tipHeight: 300, hashThere: other }, null],
  ['orphaned and nothing there', 'orphaned', { tipHeight: 99, hashThere: null }, null],
  ['orphaned and there again', 'orphaned', { tipHeight: 110, hashThere: ours }, 'found'],
  ['mature, whatever then comes', 'mature', { tipHeight: 300, hashThere: other }, null],
]
for (const [what, fate, sight, next] of CASES)
  test(`a block ${what} ${next === null ? 'keeps its fate' : `becomes ${next}`}`, () =>
    expect(nextFate(fate, block, sight, DEPTH)).toBe(next))

test('without another block at its height no block is ever orphaned', () =>
  fc.assert(
    fc.property(fc.nat(1000), fc.constantFrom(ours, null), (tipHeight, hashThere) => {
      expect(nextFate('found', block, { tipHeight, hashThere }, 1)).not.toBe('orphaned')
    }),
  ))
