import { script as codec, crypto, networks, payments, Transaction } from 'bitcoinjs-lib'
import * as secp256k1 from 'tiny-secp256k1'
import { transactionToSign, transactionToSpend } from '../../src/lib/bitcoin/message.ts'
import { concat } from '../../src/lib/bytes.ts'

/** The holder of a regtest address: who a test says signs. */
export type Holder = { readonly address: string; readonly sign: (message: string) => string }

/** A P2WPKH address on regtest whose key is this one byte; it signs as BIP 322 says, simple. */
export function holderOf(byte: number): Holder {
  const secret = new Uint8Array(32).fill(byte)
  const key = secp256k1.pointFromScalar(secret, true) ?? new Uint8Array()
  const { address = '', output = key } = payments.p2wpkh({ pubkey: key, network: networks.regtest })
  const code = payments.p2pkh({ hash: crypto.hash160(key) }).output ?? key
  return {
    address,
    sign: message => {
      const toSign = transactionToSign(transactionToSpend(output, message))
      const hash = toSign.hashForWitnessV0(0, code, 0n, Transaction.SIGHASH_ALL)
      const der = codec.signature.encode(secp256k1.sign(hash, secret), Transaction.SIGHASH_ALL)
      const witness = concat(Uint8Array.of(2, der.length), der, Uint8Array.of(33), key)
      return `smp${Buffer.from(witness).toString('base64')}`
    },
  }
}
