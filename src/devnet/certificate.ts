import { generateKeyPairSync, sign } from 'node:crypto'
import { concat, fromHex, utf8 } from '../lib/bytes.ts'

/** A server's key and certificate, both in PEM; who believes the certificate believes the server. */
export type Certificate = { readonly key: string; readonly cert: string }

/** Types of ASN.1. Source: X.690, 8; those of [0] to [3] are of X.509. */
const TAG = {
  ...{ integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, text: 0x0c, time: 0x18 },
  ...{ sequence: 0x30, set: 0x31, version: 0xa0, extensions: 0xa3, dnsName: 0x82 },
}
const OID = {
  ecdsaWithSha256: fromHex('2a8648ce3d040302'),
  commonName: fromHex('550403'),
  subjectAltName: fromHex('551d11'),
}
const VALID = ['20200101000000Z', '20991231235959Z']

/**
 * Makes a certificate that signs itself, for servers of the loopback interface: a demo and tests
 * speak real TLS, and no key lies in the repository.
 *
 * Source: RFC 5280, 4.1.
 */
export function selfSigned(domains: readonly string[]): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const algorithm = der(TAG.sequence, der(TAG.oid, OID.ecdsaWithSha256))
  const name = der(
    TAG.sequence,
    der(
      TAG.set,
      der(TAG.sequence, der(TAG.oid, OID.commonName), der(TAG.text, utf8('sidepool regtest'))),
    ),
  )
  const names = der(TAG.sequence, ...domains.map(domain => der(TAG.dnsName, utf8(domain))))
  const signed = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, Uint8Array.of(1)),
    algorithm,
    name,
    der(TAG.sequence, ...VALID.map(time => der(TAG.time, utf8(time)))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      TAG.extensions,
      der(
        TAG.sequence,
        der(TAG.sequence, der(TAG.oid, OID.subjectAltName), der(TAG.octets, names)),
      ),
    ),
  )
  const signature = der(TAG.bits, Uint8Array.of(0), sign('sha256', signed, privateKey))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(der(TAG.sequence, signed, algorithm, signature)),
  }
}

/** Type, length, content. Source: X.690, 8.1. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts)
  const { length } = content
  const bytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return concat(Uint8Array.of(tag, ...bytes), content)
}

function pem(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
