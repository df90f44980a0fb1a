/**
 * TLS by a key of 32 bytes that both ends have and nobody else: it authenticates both, so there is
 * no certificate to issue, renew or forge. Version 1.3 alone, where such a key is always used with
 * a fresh Diffie-Hellman exchange: whoever steals the key later reads nothing of before.
 *
 * Source: RFC 8446 §2.2 and §4.2.9 (psk_dhe_ke); OpenSSL binds such a key to suites of SHA-256.
 */
export const PSK_TLS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256',
} as const

/** What the calling end names the key by; both ends know one key only. */
export const PSK_IDENTITY = 'sidepool'

export const PSK_BYTES = 32
