import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import {
  addressOfKey,
  authorize,
  checkAuthorizations,
} from '../../../src/lib/thunder/authorization.ts'
import { coinJson, signedJson } from '../../../src/lib/thunder/json.ts'
import { deriveEd25519, seedOfMnemonic, thunderKey } from '../../../src/lib/thunder/keys.ts'
import slip10 from '../../vectors/slip10.json' with { type: 'json' }
import recorded from '../../vectors/thunder/transactions.json' with { type: 'json' }
import keys from '../../vectors/thunder-key.json' with { type: 'json' }

const { mnemonic, bip39_seed } = recorded.wallet
const seed = fromHex(bip39_seed)

describe('a Thunder wallet', () => {
  test('has the seed of its mnemonic, however the words are spaced', () => {
    expect(toHex(seedOfMnemonic(mnemonic) ?? new Uint8Array())).toBe(bip39_seed)
    expect(seedOfMnemonic(` ${mnemonic.replaceAll(' ', '\n ').toUpperCase()}\n`)).toEqual(seed)
    for (const words of ['', 'legal', `${mnemonic} legal`, 'a '.repeat(27)])
      expect(seedOfMnemonic(words)).toBeNull()
  })

  for (const { index, private_key, public_key, address } of recorded.wallet.keys)
    test(`has the recorded key ${index}`, () => {
      const key = thunderKey(seed, index)
      expect(toHex(key.privateKey)).toBe(private_key)
      expect(toHex(key.publicKey)).toBe(public_key)
      expect(key.address).toBe(address)
    })

  for (const { address, publicKey } of keys.valid)
    test(`has the address ${address} by its key`, () =>
      expect(addressOfKey(fromHex(publicKey))).toBe(address))

  for (const { seed: from, path, privateKey } of slip10.valid)
    test(`derives as published: ${path.join('/')} of ${from.slice(0, 8)}`, () =>
      expect(toHex(deriveEd25519(fromHex(from), path))).toBe(privateKey))
})

describe('a recorded signature', () => {
  for (const { label, spent, borsh, signed, authorizations_hex } of recorded.transactions)
    test(`is made again from the mnemonic, and holds: ${label}`, () => {
      const bytes = fromHex(borsh)
      const made = authorizations_hex.map(({ derivation_index }) =>
        authorize(bytes, thunderKey(seed, derivation_index).privateKey),
      )
      const hex = made.map(each => [toHex(each.publicKey), toHex(each.signature)])
      expect(hex).toEqual(authorizations_hex.map(each => [each.public_key, each.signature]))
      expect(signedJson.parse(signed).authorizations).toEqual(made)
      const owners = spent.map(coin => coinJson.parse(coin).output.address)
      expect(checkAuthorizations(bytes, owners, made)).toEqual({ kind: 'authorized' })
    })
})

describe('a transaction', () => {
  const two = recorded.transactions.find(({ spent }) => spent.length === 2)
  if (!two) throw new Error('one was recorded with two inputs')
  const bytes = fromHex(two.borsh)
  const owners = two.spent.map(coin => coinJson.parse(coin).output.address)
  const good = signedJson.parse(two.signed).authorizations
  const [first, second] = good
  if (!first || !second) throw new Error('it has two authorizations')
  const reasonOf = (changed: readonly (typeof first)[], of = bytes) => {
    const verdict = checkAuthorizations(of, owners, changed)
    return verdict.kind === 'refused' ? verdict.reason : null
  }

  test('is refused with an authorization too few, too many, or in another order', () => {
    expect(reasonOf(good)).toBeNull()
    expect(reasonOf([first])).toBe('2 inputs have 1 authorizations')
    expect(reasonOf([...good, second])).toBe('2 inputs have 3 authorizations')
    expect(reasonOf([second, first])).toBe('key 0 is not of the address that it spends from')
  })

  test('is refused when any of its bytes, a key or a signature is another', () => {
    const edited = bytes.map((byte, i) => (i === 50 ? byte ^ 1 : byte))
    expect(reasonOf(good, edited)).toBe('signature 0 is not of this transaction')
    const swapped = { ...second, signature: first.signature }
    expect(reasonOf([first, swapped])).toBe('signature 1 is not of this transaction')
    expect(reasonOf([{ ...first, publicKey: second.publicKey }, second])).toContain('key 0')
    expect(reasonOf([{ ...first, publicKey: new Uint8Array(31) }, second])).toContain('32 bytes')
    expect(reasonOf([{ ...first, signature: new Uint8Array(65) }, second])).toContain('64 bytes')
    expect(reasonOf([{ ...first, signature: new Uint8Array(64).fill(255) }, second])).toContain(
      'signature 0',
    )
  })
})
