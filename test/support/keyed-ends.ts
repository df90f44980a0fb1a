import { connect, createServer } from 'node:tls'
import { PSK_IDENTITY, PSK_TLS } from '../../src/lib/psk.ts'
import type { Ends } from './tap-proxy.ts'

/**
 * Ends that speak over the channel between pool and signer host, so that a test hears what is said
 * there. Only a test has the key for that.
 */
export function keyedEnds(channelKey: Uint8Array): Ends {
  const psk = Buffer.from(channelKey)
  return {
    listen: onClient => createServer({ ...PSK_TLS, pskCallback: () => psk }, onClient),
    connect: port =>
      connect({
        ...PSK_TLS,
        ...{ port, host: '127.0.0.1', ca: [], rejectUnauthorized: true },
        pskCallback: () => ({ psk, identity: PSK_IDENTITY }),
        checkServerIdentity: () => new Error('it showed a certificate instead of the key'),
      }),
  }
}
