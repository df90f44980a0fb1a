import { script as codec, crypto, payments, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/lib/bitcoin/address.ts'
import { sha256 } from '../../../src/lib/bitcoin/hash.ts'
import {
  transactionToSign,
  transactionToSpend,
  verifyMessage,
} from '../../../src/lib/bitcoin/message.ts'
import { concat, utf8 } from '../../../src/lib/bytes.ts'
import vectors from '../../vectors/bip322.json' with { type: 'json' }

const MESSAGE = 'pay me elsewhere'
const secretOf = (name: string) => sha256(utf8(name))
const keyOf = (name: string) => secp256k1.pointFromScalar(secretOf(name), true) ?? new Uint8Array()

function addressOf(text: string | undefined) {
  const address = parseAddress(text ?? '', 'mainnet')
  if (address.kind !== 'address') throw new Error(`${text} is ${address.kind}`)
  return address
}

/** What a key's holder needs: the address, and how to sign for any address as if it were theirs. */
type Way = {
  readonly address: (key: Uint8Array) => ReturnType<typeof addressOf>
  readonly sign: (name: string, toSign: Transaction, victim: Uint8Array) => void
}

const signed = (name: string, hash: Uint8Array) =>
  codec.signature.encode(secp256k1.sign(hash, secretOf(name)), Transaction.SIGHASH_ALL)
const multisigOf = (key: Uint8Array) => payments.p2ms({ m: 1, pubkeys: [key] }).output ?? key
const ALL = Transaction.SIGHASH_ALL

function signWpkh(name: string, toSign: Transaction, program: Uint8Array) {
  const code = payments.p2pkh({ hash: program }).output ?? new Uint8Array()
  const hash = toSign.hashForWitnessV0(0, code, 0n, ALL)
  toSign.setWitness(0, [signed(name, hash), keyOf(name)])
}

function signWsh(name: string, toSign: Transaction) {
  const script = multisigOf(keyOf(name))
  const hash = toSign.hashForWitnessV0(0, script, 0n, ALL)
  toSign.setWitness(0, [new Uint8Array(), signed(name, hash), script])
}

const WAYS: Readonly<Record<string, Way>> = {
  p2pkh: {
    address: pubkey => addressOf(payments.p2pkh({ pubkey }).address),
    sign: (name, toSign, victim) => {
      const hash = toSign.hashForSignature(0, victim, ALL)
      toSign.setInputScript(0, codec.compile([signed(name, hash), keyOf(name)]))
    },
  },
  p2wpkh: {
    address: pubkey => addressOf(payments.p2wpkh({ pubkey }).address),
    // Over the victim's own script code, where the address says what that is.
    sign: (name, toSign, victim) =>
      signWpkh(
        name,
        toSign,
        victim.length === 22 ? victim.subarray(2) : crypto.hash160(keyOf(name)),
      ),
  },
  'p2wpkh in p2sh': {
    address: pubkey => addressOf(payments.p2sh({ redeem: payments.p2wpkh({ pubkey }) }).address),
    sign: (name, toSign) => {
      signWpkh(name, toSign, crypto.hash160(keyOf(name)))
      const program = concat(Uint8Array.of(0, 20), crypto.hash160(keyOf(name)))
      toSign.setInputScript(0, codec.compile([program]))
    },
  },
  'multisig in p2wsh': {
    address: key => addressOf(payments.p2wsh({ redeem: { output: multisigOf(key) } }).address),
    sign: signWsh,
  },
  'multisig in p2wsh in p2sh': {
    address: key => {
      const redeem = payments.p2wsh({ redeem: { output: multisigOf(key) } })
      return addressOf(payments.p2sh({ redeem }).address)
    },
    sign: (name, toSign) => {
      signWsh(name, toSign)
      const program = concat(Uint8Array.of(0, 32), sha256(multisigOf(keyOf(name))))
      toSign.setInputScript(0, codec.compile([program]))
    },
  },
  'multisig in p2sh': {
    address: key => addressOf(payments.p2sh({ redeem: { output: multisigOf(key) } }).address),
    sign: (name, toSign) => {
      const script = multisigOf(keyOf(name))
      const hash = toSign.hashForSignature(0, script, ALL)
      toSign.setInputScript(0, codec.compile([0, signed(name, hash), script]))
    },
  },
}

function signatureBy(name: string, way: Way, address: ReturnType<typeof addressOf>): Transaction {
  const toSign = transactionToSign(transactionToSpend(address.script, MESSAGE))
  way.sign(name, toSign, address.script)
  return toSign
}

const full = (tx: Transaction) => `ful${Buffer.from(tx.toBuffer()).toString('base64')}`

describe('a full signature', () => {
  for (const [name, way] of Object.entries(WAYS))
    test(`for ${name} counts by its own key, and by no other that signs as well`, () => {
      const address = way.address(keyOf('anna'))
      const own = full(signatureBy('anna', way, address))
      expect(verifyMessage(address, MESSAGE, own).kind).toBe('signed')
      for (const other of Object.values(WAYS)) {
        const forged = full(signatureBy('mallory', other, address))
        expect(verifyMessage(address, MESSAGE, forged).kind).toBe('refused')
      }
    })

  test('for a segwit address with anything in its scriptSig does not count', () => {
    const way = WAYS['p2wpkh']
    if (!way) throw new Error('there is such a way')
    const address = way.address(keyOf('anna'))
    const tx = signatureBy('anna', way, address)
    tx.setInputScript(0, Uint8Array.of(0x51))
    expect(verifyMessage(address, MESSAGE, full(tx)).kind).toBe('refused')
  })

  test('that pays anything, elsewhere, or spends more does not count', () => {
    const way = WAYS['p2wpkh']
    if (!way) throw new Error('there is such a way')
    const address = way.address(keyOf('anna'))
    const changes: readonly ((tx: Transaction) => void)[] = [
      tx => tx.addOutput(Uint8Array.of(0x6a), 0n),
      tx => tx.addInput(new Uint8Array(32), 0),
      tx => {
        tx.outs = [{ script: Uint8Array.of(0x6a), value: 1n }]
      },
      tx => {
        tx.outs = [{ script: Uint8Array.of(0x51), value: 0n }]
      },
      tx => {
        tx.version = 3
      },
    ]
    for (const change of changes) {
      const toSign = transactionToSign(transactionToSpend(address.script, MESSAGE))
      change(toSign)
      way.sign('anna', toSign, address.script)
      expect(verifyMessage(address, MESSAGE, full(toSign)).kind).toBe('refused')
    }
  })
})

test('a signature with a high S, or of another hash type, does not count', () => {
  const address = addressOf(payments.p2wpkh({ pubkey: keyOf('anna') }).address)
  const toSign = transactionToSign(transactionToSpend(address.script, MESSAGE))
  const code = payments.p2pkh({ hash: crypto.hash160(keyOf('anna')) }).output ?? new Uint8Array()
  const simple = (compact: Uint8Array, type: number) => {
    const der = codec.signature.encode(compact, type)
    const witness = [Uint8Array.of(2, der.length), der, Uint8Array.of(33), keyOf('anna')]
    return `smp${Buffer.from(concat(...witness)).toString('base64')}`
  }
  const verify = (signature: string) => verifyMessage(address, MESSAGE, signature).kind
  const hash = toSign.hashForWitnessV0(0, code, 0n, ALL)
  const low = secp256k1.sign(hash, secretOf('anna'))
  const high = concat(low.subarray(0, 32), secp256k1.privateNegate(low.slice(32)))
  expect(verify(simple(low, ALL))).toBe('signed')
  expect(verify(simple(high, ALL))).toBe('refused')
  for (const type of [Transaction.SIGHASH_NONE, Transaction.SIGHASH_SINGLE, 0x81]) {
    const other = secp256k1.sign(toSign.hashForWitnessV0(0, code, 0n, type), secretOf('anna'))
    expect(verify(simple(other, type))).toBe('refused')
    expect(verify(simple(low, type))).toBe('refused')
  }
})

test('no published signature counts with any one of its bits changed', () => {
  for (const { address, message, signature, lockTime } of vectors.valid) {
    const variant = /^(smp|ful)?/.exec(signature)?.[0] ?? ''
    const bytes = Buffer.from(signature.slice(variant.length), 'base64')
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes)
      changed[i] = (changed[i] ?? 0) ^ 1
      const given = variant + changed.toString('base64')
      const verdict = verifyMessage(addressOf(address), message, given)
      expect(verdict.kind, `byte ${i} of ${bytes.length}, lock time ${lockTime}`).toBe('refused')
    }
  }
})
