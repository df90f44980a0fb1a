import { payments } from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp256k1 from 'tiny-secp256k1'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/lib/bitcoin/address.ts'
import { displayHash, sha256, sha256d } from '../../../src/lib/bitcoin/hash.ts'
import {
  MESSAGE_CHARACTERS_MAX,
  type MessageVerdict,
  messageHash,
  SIGNATURE_CHARACTERS_MAX,
  transactionToSign,
  transactionToSpend,
  verifyMessage,
} from '../../../src/lib/bitcoin/message.ts'
import type { Network } from '../../../src/lib/bitcoin/network.ts'
import { concat, toHex, utf8 } from '../../../src/lib/bytes.ts'
import { type TestNode, testNode } from '../../support/bitcoind.ts'
import vectors from '../../vectors/bip322.json' with { type: 'json' }

function addressOf(text: string, network: Network = 'mainnet') {
  const address = parseAddress(text, network)
  if (address.kind !== 'address') throw new Error(`${text} is ${address.kind}`)
  return address
}

type Given = { readonly address: string; readonly message: string; readonly signature: string }
const verify = ({ address, message, signature }: Given, network?: Network): MessageVerdict =>
  verifyMessage(addressOf(address, network), message, signature)

describe('a message signed as BIP 322 says', () => {
  for (const { message, address, ...hashes } of vectors.hashes)
    test(`'${message}' has its hash and its transactions`, () => {
      const toSpend = transactionToSpend(addressOf(address).script, message)
      expect(toHex(messageHash(message))).toBe(hashes.message_hash)
      expect(displayHash(toSpend.getHash())).toBe(hashes.to_spend_tx_hash)
      expect(transactionToSign(toSpend).getId()).toBe(hashes.to_sign_tx_hash)
    })

  for (const { type, lockTime, sequence, ...given } of vectors.valid)
    test(`counts: ${type}, ${given.signature.slice(0, 12)}`, () => {
      expect(verify(given)).toEqual({ kind: 'signed', format: 'bip322', lockTime, sequence })
    })

  for (const { type, ...given } of vectors.notUnderstood)
    test(`is refused where it proves what is not understood here: ${type}`, () => {
      expect(verify(given)).toMatchObject({
        kind: 'refused',
        reason: expect.stringContaining('not understood'),
      })
    })

  for (const { comment, ...given } of vectors.invalid)
    test(`does not count: ${comment}`, () => {
      expect(verify(given).kind).toBe('refused')
    })

  test('does not count with any of its bytes changed', () => {
    const cases = fc.constantFrom(...vectors.valid)
    fc.assert(
      fc.property(cases, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, at, change) => {
        const variant = /^(smp|ful)?/.exec(given.signature)?.[0] ?? ''
        const bytes = Buffer.from(given.signature.slice(variant.length), 'base64')
        const index = at % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ change
        const verdict = verify({ ...given, signature: variant + bytes.toString('base64') })
        // BIP 322 leaves these to the signer: the transaction's version, lock time and sequence.
        if (verdict.kind === 'signed') expect(variant).toBe('ful')
        if (verdict.kind === 'signed') expect(index).toBeLessThan(4)
      }),
      { numRuns: 300 },
    )
  })

  test('does not count for any other message', () => {
    fc.assert(
      fc.property(fc.constantFrom(...vectors.valid), fc.string(), (given, message) => {
        fc.pre(message !== given.message)
        expect(verify({ ...given, message }).kind).toBe('refused')
      }),
      { numRuns: 100 },
    )
  })
})

test('text that is no signature is refused and never an error', () => {
  const addresses = vectors.valid.map(({ address }) => address)
  fc.assert(
    fc.property(
      fc.constantFrom(...addresses),
      fc.constantFrom('', 'smp', 'ful', 'pof'),
      fc.uint8Array({ maxLength: 120 }),
      (address, variant, bytes) => {
        const signature = variant + Buffer.from(bytes).toString('base64')
        expect(verify({ address, message: 'm', signature }).kind).toBe('refused')
      },
    ),
    { numRuns: 500 },
  )
})

test('a message or a signature that is too long is not looked at', () => {
  const [given] = vectors.valid
  if (!given) throw new Error('there are vectors')
  const long = verify({ ...given, message: 'a'.repeat(MESSAGE_CHARACTERS_MAX + 1) })
  expect(long).toEqual({ kind: 'refused', reason: 'the message is too long' })
  const signature = `smp${'A'.repeat(SIGNATURE_CHARACTERS_MAX)}`
  expect(verify({ ...given, signature })).toMatchObject({ reason: 'the signature is too long' })
})

describe('the older signed message', () => {
  test("counts as Bitcoin Core's own test of MessageVerify says", () => {
    const given = {
      address: '15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs',
      message: 'Trust no one',
      signature:
        'IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk=',
    }
    expect(verify(given)).toMatchObject({ kind: 'signed', format: 'legacy' })
    expect(verify({ ...given, message: 'Trust no one.' }).kind).toBe('refused')
  })

  const secret = sha256(utf8('a key'))
  const key = secp256k1.pointFromScalar(secret, true)
  const uncompressed = secp256k1.pointFromScalar(secret, false)
  if (!key || !uncompressed) throw new Error('the key is one')
  const legacy = (message: string, base: number) => {
    const text = `\x18Bitcoin Signed Message:\n${String.fromCharCode(message.length)}${message}`
    const { signature, recoveryId } = secp256k1.signRecoverable(sha256d(utf8(text)), secret)
    const bytes = concat(Uint8Array.of(base + recoveryId), signature)
    return Buffer.from(bytes).toString('base64')
  }
  const addresses = {
    uncompressed: payments.p2pkh({ pubkey: uncompressed }).address ?? '',
    p2pkh: payments.p2pkh({ pubkey: key }).address ?? '',
    nested: payments.p2sh({ redeem: payments.p2wpkh({ pubkey: key }) }).address ?? '',
    p2wpkh: payments.p2wpkh({ pubkey: key }).address ?? '',
  }
  const COUNTS = {
    uncompressed: [27],
    p2pkh: [31],
    nested: [31, 35],
    p2wpkh: [31, 39],
  }
  for (const [name, counting] of Object.entries(COUNTS))
    for (const base of [27, 31, 35, 39])
      test(`of ${name} with header ${base} ${counting.includes(base) ? 'counts' : 'does not'}`, () => {
        const address = Object.entries(addresses).find(([each]) => each === name)?.[1] ?? ''
        const verdict = verify({ address, message: 'hello', signature: legacy('hello', base) })
        expect(verdict.kind).toBe(counting.includes(base) ? 'signed' : 'refused')
      })

  test('does not count for Taproot, for a script, or with another header', () => {
    const p2tr = 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0'
    const p2wsh = payments.p2wsh({ redeem: { output: utf8('Q') } }).address ?? ''
    for (const address of [p2tr, p2wsh])
      expect(verify({ address, message: 'hello', signature: legacy('hello', 31) })).toMatchObject({
        reason: 'this kind of signature is not for this kind of address',
      })
    for (const base of [0, 23, 43, 200])
      expect(
        verify({ address: addresses.p2pkh, message: 'hello', signature: legacy('hello', base) })
          .kind,
      ).toBe('refused')
  })

  test('does not count with any of its bytes changed', () => {
    fc.assert(
      fc.property(fc.nat({ max: 64 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(legacy('hello', 31), 'base64')
        bytes[at] = (bytes[at] ?? 0) ^ change
        const signature = bytes.toString('base64')
        const given = { address: addresses.p2pkh, message: 'hello', signature }
        expect(verify(given).kind).toBe('refused')
      }),
      { numRuns: 200 },
    )
  })
})

describe('what a real node signs', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await testNode()
    await node.cli('createwallet', 'signing')
  })
  afterAll(() => node.remove())

  for (const type of ['legacy', 'p2sh-segwit', 'bech32', 'bech32m'])
    test(`counts for its ${type} address and for no other`, async () => {
      const address = await node.cliText('getnewaddress', '', type)
      const other = await node.cliText('getnewaddress', '', type)
      const message = 'sidepool payout settings\npayee: someone\nnumber: 1'
      const signature = await node.cliText('signmessage', address, message)
      expect(verify({ address, message, signature }, 'regtest').kind).toBe('signed')
      expect(verify({ address: other, message, signature }, 'regtest').kind).toBe('refused')
    })
})
