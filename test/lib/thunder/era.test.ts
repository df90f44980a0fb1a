import { expect, test } from 'vitest'
import { thunderEra } from '../../../src/lib/thunder/era.ts'
import recorded from '../../vectors/thunder/replies.json' with { type: 'json' }

const without = (...names: string[]) =>
  new Set(recorded.methods.filter(name => !names.includes(name)))

test('the recorded node, 0.17.2, is usable for everything', () =>
  expect(thunderEra(new Set(recorded.methods))).toEqual({
    kind: 'usable',
    canBuildBlocks: true,
    canInvalidate: true,
  }))

test('0.17.1 can pay, and cannot build blocks', () =>
  expect(thunderEra(without('get_block_template', 'connect_block', 'invalidate_block'))).toEqual({
    kind: 'usable',
    canBuildBlocks: false,
    canInvalidate: false,
  }))

test('0.17.0 is refused, since it shows no spent coins', () =>
  expect(thunderEra(without('get_utxos', 'get_stxos'))).toEqual({
    kind: 'unusable',
    reason: 'it has no get_utxos, get_stxos: Thunder 0.17.1 or newer is needed',
  }))

test('0.16 is refused, since its transfers leave before they can be stored', () => {
  const old = without('create_transfer', 'sign_transaction', 'submit_transaction')
  expect(thunderEra(new Set([...old, 'transfer', 'withdraw']))).toMatchObject({
    kind: 'unusable',
    reason: expect.stringContaining('sends a transfer as soon as it makes it'),
  })
})

test('a node that lists nothing is refused', () =>
  expect(thunderEra(new Set())).toMatchObject({ kind: 'unusable' }))
