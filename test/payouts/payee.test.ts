import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Network } from '../../src/lib/bitcoin/network.ts'
import {
  canonicalPayee,
  type PayeeKind,
  parseUsername,
  shownAddress,
} from '../../src/payouts/index.ts'
import addresses from '../vectors/address.json' with { type: 'json' }
import thunder from '../vectors/thunder-address.json' with { type: 'json' }

const P2WPKH = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
const P2PKH = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'
const NETWORKS: readonly Network[] = ['mainnet', 'testnet4', 'signet', 'regtest']

const KINDS = ['bitcoin', 'thunder'] as const

const read = (text: string, network: Network = 'mainnet') =>
  parseUsername(text, { network, kinds: KINDS })

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
      expect(reasonOf(text)).toMatch(/no address that this pool knows \(mistyped\?\).* of mainnet/)
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

describe('a Thunder address', () => {
  for (const { bare, deposit } of thunder.valid)
    test(`${bare} is one payee, bare and in its deposit form`, () => {
      const payee = { kind: 'payee', payeeKind: 'thunder', destination: bare }
      for (const text of [bare, deposit, deposit.slice(0, -6) + deposit.slice(-6).toUpperCase()]) {
        expect(read(text)).toEqual({ ...payee, worker: '' })
        for (const mark of ['.', '/'])
          expect(read(`${text}${mark}rig_1`)).toEqual({ ...payee, worker: 'rig_1' })
      }
    })

  for (const { text, reason, says } of thunder.invalid)
    test(`${text} is refused, or no Thunder address: ${reason}`, () => {
      const isBitcoin = reason.startsWith('Bitcoin')
      if (isBitcoin) expect(read(text)).toMatchObject({ payeeKind: 'bitcoin' })
      else expect(reasonOf(text)).toContain(says ?? 'no address that this pool knows')
    })

  test('says what is wrong with it, whatever worker comes after', () => {
    for (const worker of ['', '.rig', '/rig'])
      expect(reasonOf(`s9_8twUkpctzwgbjqi5o14qWjrD9uj_ca9565${worker}`)).toBe(
        "'s9_8twUkpctzwgbjqi5o14qWjrD9uj_ca9565' has a checksum that does not fit: " +
          'one of its characters is wrong',
      )
    expect(reasonOf('s2_8twUkpctzwgbjqi5o14qWjrD9uk_4baaee.rig')).toBe(
      "'s2_8twUkpctzwgbjqi5o14qWjrD9uk_4baaee' is for sidechain 2, and Thunder is sidechain 9",
    )
  })

  test('is shown with its checksum and stored bare, and no other payee is touched', () => {
    for (const { bare, deposit } of thunder.valid) {
      expect(shownAddress('thunder', bare)).toBe(deposit)
      expect(canonicalPayee(deposit)).toBe(bare)
      expect(canonicalPayee(bare)).toBe(bare)
    }
    for (const { text } of thunder.invalid) expect(canonicalPayee(text)).toBe(text)
    for (const text of [P2WPKH, P2PKH, 'anna@wallet.example', '__proto__', ''])
      expect([canonicalPayee(text), shownAddress('bitcoin', text)]).toEqual([text, text])
    const [first] = thunder.valid
    expect(() => shownAddress('thunder', first?.deposit ?? '')).toThrow('stored bare')
  })
})

describe('a Lightning address', () => {
  for (const [text, destination, worker] of [
    ['anna@wallet.example', 'anna@wallet.example', ''],
    ['anna@wallet.example/rig.1', 'anna@wallet.example', 'rig.1'],
    ['anna.b@Wallet.EXAMPLE', 'anna.b@wallet.example', ''],
  ] as const)
    test(`'${text}' is a payee, and takes a worker after a slash alone`, () =>
      expect(parseUsername(text, { network: 'mainnet', kinds: ['lightning'] })).toEqual({
        ...{ kind: 'payee', payeeKind: 'lightning', destination, worker },
      }))

  for (const text of ['@', `${P2WPKH}.rig@home`, 'Anna@wallet.example', 'anna@wallet.onion'])
    test(`'${text}' has an @, so it is told what a Lightning address is`, () =>
      expect(reasonOf(text)).toMatch(/a Lightning address/))

  test('is stored with its domain in lower case', () =>
    expect(canonicalPayee('anna@Wallet.EXAMPLE')).toBe('anna@wallet.example'))
})

describe('any other name', () => {
  for (const name of ['anna', 'anna.rig', '__proto__', 'constructor', 'toString', 's_anna', ' '])
    test(`'${name}' is refused with what a username must be`, () =>
      expect(reasonOf(name)).toMatch(
        /cannot be registered yet: use a Bitcoin address of mainnet or a Thunder address, with \./,
      ))

  test('is told the kinds of address that the port pays', () => {
    const wanted = (kinds: readonly PayeeKind[]) =>
      parseUsername('anna', { network: 'signet', kinds })
    expect(wanted(['bitcoin'])).toMatchObject({
      reason: expect.stringMatching(/: use a Bitcoin address of signet, with \.worker/),
    })
    expect(wanted(['thunder'])).toMatchObject({
      reason: expect.stringMatching(/: use a Thunder address, with \.worker/),
    })
  })

  for (const name of ['', '.rig', '/rig'])
    test(`'${name}' is refused as empty`, () =>
      expect(reasonOf(name)).toMatch(/^the username is empty: use a Bitcoin address of mainnet/))

  test('is echoed up to 80 characters', () => {
    expect(reasonOf('x'.repeat(80))).toMatch(`'${'x'.repeat(80)}' is no`)
    expect(reasonOf('x'.repeat(400))).toMatch(`'${'x'.repeat(80)}...' is no`)
    expect(reasonOf(`${'x'.repeat(300)}@b`)).toMatch(`'${'x'.repeat(80)}...': a Lightning`)
  })

  test('of more than 400 characters is refused and not echoed', () => {
    for (const text of ['x'.repeat(401), 'x'.repeat(100_000), `${P2WPKH}.${'w'.repeat(400)}`])
      expect(reasonOf(text)).toBe('the username has more than 400 characters')
  })
})

const BARE = '8twUkpctzwgbjqi5o14qWjrD9uk'
const marks = fc.constantFrom('.', '/', '@', '_', 's9_', '\u212a')
const payee = fc.oneof(
  fc.constantFrom(P2WPKH, P2WPKH.toUpperCase(), P2PKH, 's9_', '\u212a', ''),
  fc.constantFrom(BARE, `s9_${BARE}_ca9565`, `s9_${BARE}_ca9566`, `s9_${BARE}`),
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
      expect([P2WPKH, P2PKH, BARE]).toContain(destination)
      expect(worker).toMatch(/^[A-Za-z0-9_.-]{0,63}$/)
      expect(read(`${destination}/${worker}`)).toEqual(outcome)
    }),
  )
})
