import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ask, type ConnectedLnd } from '../../src/devnet/connected-lnd.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import type { StrangersServer } from '../support/strangers-server.ts'
import { type HostChoices, type SignerHost, signerHost } from './host.ts'

const PAGE = new URL('../../docs/lightning.md', import.meta.url)
const made = z.object({ macaroon: z.string() })

/** The macaroon that the page tells an operator to make, by the name that it has there. */
export async function macaroonOfPage(
  node: Pick<ConnectedLnd, 'connection'>,
  name: 'pay' | 'read' | 'pay-and-open',
): Promise<Uint8Array> {
  const page = readFileSync(PAGE, 'utf8')
  const lines = new RegExp(`sidepool-${name}\\.macaroon((?: \\\\\\n +uri:\\S+)+)`)
  const [, uris = ''] = lines.exec(page) ?? []
  const permissions = [...uris.matchAll(/uri:(\S+)/g)].map(([, action]) => ({
    entity: 'uri',
    action,
  }))
  return fromHex((await ask(node, made, 'bakeMacaroon', { permissions })).macaroon)
}

/** A signer host that pays by a node, and asks strangers who are on loopback. */
export async function payingHost(
  node: Pick<ConnectedLnd, 'access' | 'connection'>,
  server: StrangersServer,
  choices: Pick<HostChoices, 'policy' | 'environment'> = {},
): Promise<SignerHost> {
  const { access } = node
  const resolver = { address: '127.0.0.1', httpsPort: server.egress.httpsPort, caFile: 'later' }
  const lnd = { socket: access.socket, certFile: 'later', macaroonFile: 'later' }
  const found = await signerHost('wpkh', { ...choices, lightning: { lnd, resolver } })
  const at = (name: string) => join(found.files.dir, name)
  writeFileSync(at('tls.cert'), access.cert)
  writeFileSync(at('ca.pem'), server.egress.ca ?? '')
  writeFileSync(at('pay.macaroon'), await macaroonOfPage(node, 'pay'), { mode: 0o600 })
  const config = JSON.parse(readFileSync(found.files.config, 'utf8'))
  config.lightning.lnd.certFile = at('tls.cert')
  config.lightning.lnd.macaroonFile = at('pay.macaroon')
  config.lightning.resolver.caFile = at('ca.pem')
  writeFileSync(found.files.config, JSON.stringify(config))
  return found
}
