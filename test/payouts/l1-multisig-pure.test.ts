import { expect, test } from 'vitest'
import { multisigInputWeight, parseMultisig } from '../../src/payouts/rails/l1/multisig.ts'

const keys = (count: number) =>
  Array.from({ length: count }, (_, n) => `[d34db33f/48'/1'/0'/2']tpubKey${n}/<0;1>/*`).join()

const read = [
  [`wsh(sortedmulti(2,${keys(3)}))`, { kind: 'wsh', required: 2, keys: 3 }],
  [`wsh(multi(1,${keys(1)}))#abcdefgh`, { kind: 'wsh', required: 1, keys: 1 }],
  [`tr(${'50'.repeat(32)},sortedmulti_a(11,${keys(15)}))`, { kind: 'tr', required: 11, keys: 15 }],
  [`tr(key/*,multi_a(3,${keys(3)}))#abcdefgh`, { kind: 'tr', required: 3, keys: 3 }],
  ['wpkh(key/*)', null],
  ['tr(key/*)', null],
  [`sh(wsh(sortedmulti(2,${keys(3)})))`, null],
  [`wsh(sortedmulti(4,${keys(3)}))`, null],
  [`wsh(sortedmulti(0,${keys(3)}))`, null],
  [`wsh(sortedmulti(2,${keys(17)}))`, null],
  [`tr(key,{sortedmulti_a(2,${keys(3)}),pk(key)})`, null],
] as const
for (const [text, expected] of read)
  test(`a descriptor ${text.slice(0, 24)} is ${expected ? `${expected.required} of ${expected.keys}` : 'no multisig of ours'}`, () =>
    expect(parseMultisig(text)).toEqual(expected))

// Worked by hand from BIP 141 and 341; real transactions are weighed in l1-cosigners.test.ts.
const weights = [
  ['wsh', 2, 3, 418],
  ['wsh', 8, 15, 164 + 1 + 1 + 8 * 73 + 3 + 513],
  ['tr', 2, 3, 435],
  ['tr', 11, 15, 164 + 1 + 11 * 65 + 4 + 3 + 512 + 34],
] as const
for (const [kind, required, count, weight] of weights)
  test(`an input of ${kind} with ${required} of ${count} keys weighs at most ${weight}`, () =>
    expect(multisigInputWeight({ kind, required, keys: count })).toBe(weight))
