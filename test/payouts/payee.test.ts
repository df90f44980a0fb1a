import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Network } from '../../src/lib/bitcoin/network.ts'
import { parseUsername } from '../../src/payouts/index.ts'
import addresses from '../vectors/address.json' with { type: 'json' }
import thunder from '../vectors/thunder-address.json' with { type: 'json' }

const P2WPKH = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
const P2PKH = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'
const NETWORKS: readonly Network[] = ['mainnet', 'testnet4', 'signet', 'regtest']

const read = (text: string, network: Network = 'mainnet') => parseUsername(text, { network })

/** Null where the username was taken. */
function reasonOf(text: string, network: Network = 'mainnet'): string | null {
  const outcome = read(text, network)
  return outcome.kind === 'refused' ? outcome.reason : null
}

describe('a Bitcoin address', () => {
  for (const { network, text, canonical } of addresses.valid)
    test(`${text} of ${network} is a payee in one spelling`, () => {
      const found = NETWORKS.find(each => each === network) ?? 'mainnet'
      for (const worker of ['', 'rig1'])
        for (const mark of ['.', '/'])
          expect(read(`${text}${worker && mark}${worker}`, found)).toEqual({
            kind: 'payee',
            payeeKind: 'bitcoin',
            destination: canonical,
            worker,
          })
    })

  test('in capitals is the same payee as in small letters', () => {
    expect(read(P2WPKH.toUpperCase())).toEqual(read(P2WPKH))
    expect(read(P2WPKH)).toMatchObject({ destination: P2WPKH })
  })

  test('of another network is refused with the name of ours', () => {
    expect(reasonOf(`${P2WPKH}.rig`, 'regtest')).toBe(
      `'${P2WPKH}' is a Bitcoin address of another network: this pool is on regtest`,
    )
    expect(reasonOf('mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn')).toContain('this pool is on mainnet')
  })

  test('with a wrong character or mixed case is refused as mistyped', () => {
    for (const text of [`${P2WPKH.slice(0, -1)}5`, `B${P2WPKH.slice(1)}`, P2PKH.toLowerCase()])
      expect(reasonOf(text)).toMatch(/no Bitcoin address \(mistyped\?\).* of mainnet/)
  })

  test('with a letter that only becomes an ASCII one in small is refused', () => {
    // Upper case K of the Kelvin sign, which toLowerCase makes a k.
    const kelvin = P2WPKH.toUpperCase().replaceAll('K', '\u212a')
    expect(kelvin.toLowerCase()).toBe(P2WPKH)
    expect(reasonOf(kelvin)).toContain('printable ASCII')
  })
})

describe('a worker name', () => {
  const taken = [
    [P2WPKH, ''],
    [`${P2WPKH}.`, ''],
    [`${P2WPKH}/`, ''],
    [`${P2WPKH}.a.b`, 'a.b'],
    [`${P2WPKH}/a.b`, 'a.b'],
    [`${P2WPKH}..b`, '.b'],
    [`${P2PKH}.S19_Pro-07`, 'S19_Pro-07'],
    [`${P2PKH}.__proto__`, '__proto__'],
    [`${P2PKH}.constructor`, 'constructor'],
    [`${P2WPKH}.${'w'.repeat(63)}`, 'w'.repeat(63)],
  ] as const
  for (const [text, worker] of taken)
    test(`of '${text}' is '${worker}'`, () => expect(read(text)).toMatchObject({ worker }))

  const refused = [
    'w'.repeat(64),
    'a/b',
    'a b',
    ' a',
    'a,b',
    '=1+1',
    '<script>',
    'a"b',
    "a'b",
    'a%2eb',
    '&lt;',
  ]
  for (const worker of refused)
    test(`'${worker}' is refused with the characters that it may have`, () => {
      for (const mark of ['.', '/'])
        expect(reasonOf(`${P2WPKH}${mark}${worker}`)).toBe(
          'a worker name has at most 63 characters of A-Z a-z 0-9 _ . -',
        )
    })

  test('with an @ after a slash is refused, and the name is no Lightning address', () =>
    expect(reasonOf(`${P2WPKH}/rig@home`)).toContain('a worker name has'))

  for (const worker of ['r\u00fcg', '\u{1f600}', 'a\nb', 'a\0b', 'a\u007fb', '\u202eb', '\ud800'])
    test(`${JSON.stringify(worker)} is refused as not printable`, () =>
      expect(reasonOf(`${P2WPKH}.${worker}`)).toMatch(/printable ASCII.*A-Z a-z 0-9 _ \. -$/))
})

describe('a payee that the pool does not pay yet', () => {
  for (const { bare, deposit } of thunder.valid)
    test(`Thunder's ${bare} is recognised, bare and for deposits`, () => {
      for (const after of ['', '.rig', '/rig']) {
        expect(reasonOf(bare + after)).toMatch(`'${bare}' is a Thunder address: this pool does not`)
        expect(reasonOf(deposit + after)).toMatch(`'${deposit}' is a Thunder address: this`)
      }
    })

  for (const { text, reason, says } of thunder.invalid)
    test(`${text} is no Thunder address: ${reason}`, () => {
      const isBitcoin = reason.startsWith('Bitcoin')
      if (isBitcoin) expect(reasonOf(text)).toBeNull()
      else expect(reasonOf(text)).toContain(says ?? 'no Bitcoin address')
    })

  const lightning = [
    ['anna@wallet.example', 'anna@wallet.example'],
    ['anna@wallet.example/rig.1', 'anna@wallet.example'],
    ['anna.b@wallet.example', 'anna.b@wallet.example'],
    [`${P2WPKH}.rig@home`, `${P2WPKH}.rig@home`],
    ['@', '@'],
  ] as const
  for (const [text, payee] of lightning)
    test(`'${text}' has an @, so it is the Lightning address '${payee}'`, () =>
      expect(reasonOf(text)).toMatch(`'${payee}' is a Lightning address: this pool does not pay`))
})

describe('any other name', () => {
  for (const name of ['anna', 'anna.rig', '__proto__', 'constructor', 'toString', 's_anna', ' '])
    test(`'${name}' is refused with what a username must be`, () =>
      expect(reasonOf(name)).toMatch(
        /cannot be registered yet: use a Bitcoin address of mainnet, with \.worker after it/,
      ))

  for (const name of ['', '.rig', '/rig'])
    test(`'${name}' is refused as empty`, () =>
      expect(reasonOf(name)).toMatch(/^the username is empty: use a Bitcoin address of mainnet/))

  test('is echoed up to 80 characters', () => {
    expect(reasonOf('x'.repeat(80))).toMatch(`'${'x'.repeat(80)}' is no`)
    expect(reasonOf('x'.repeat(400))).toMatch(`'${'x'.repeat(80)}...' is no`)
    expect(reasonOf(`${'x'.repeat(300)}@b`)).toMatch(`'${'x'.repeat(80)}...' is a Lightning`)
  })

  test('of more than 400 characters is refused and not echoed', () => {
    for (const text of ['x'.repeat(401), 'x'.repeat(100_000), `${P2WPKH}.${'w'.repeat(400)}`])
      expect(reasonOf(text)).toBe('the username has more than 400 characters')
  })
})

const marks = fc.constantFrom('.', '/', '@', '_', 's9_', '\u212a')
const payee = fc.oneof(
  fc.constantFrom(P2WPKH, P2WPKH.toUpperCase(), P2PKH, 's9_', '\u212a', ''),
  fc.string({ maxLength: 90 }),
)
const rest = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_.-]{0,70}$/),
  fc.string({ maxLength: 90 }),
  fc.string({ unit: 'binary', maxLength: 400 }),
)
const username = fc.tuple(payee, marks, rest).map(parts => parts.join(''))

test('whatever a username is, it names a canonical payee or is refused in plain words', () => {
  fc.assert(
    fc.property(username, text => {
      const outcome = read(text)
      if (outcome.kind === 'refused') {
        expect(outcome.reason).toMatch(/^[\x20-\x7e]{1,250}$/)
        return
      }
      const { destination, worker } = outcome
      expect([P2WPKH, P2PKH]).toContain(destination)
      expect(worker).toMatch(/^[A-Za-z0-9_.-]{0,63}$/)
      expect(read(`${destination}/${worker}`)).toEqual(outcome)
    }),
  )
})
