import { readFile } from 'node:fs/promises'
import { equalBytes } from '../lib/bytes.ts'
import { type Egress, PUBLIC_INTERNET } from '../lib/lightning/guarded-get-client.ts'
import { askForInvoice, askForPreimage } from '../lib/lightning/lnurl-client.ts'
import type { Log } from '../lib/log.ts'
import { lndChannelsClient } from '../lib/nodes/lnd-channels-client.ts'
import { lndClient } from '../lib/nodes/lnd-client.ts'
import { connectLnd } from '../lib/nodes/lnd-grpc-client.ts'
import { systemClock } from '../lib/time.ts'
import { type LightningParts, openingNode, payingNode, type SignerConfig } from '../signer/index.ts'
import { CommandError } from './command.ts'
import { readSecretBytes } from './secret-file.ts'

/**
 * What a signer pays over Lightning with; null where it does not. One that does not answer yet may
 * come later, and is looked at again before each use; one that can never do is said at once.
 */
export async function lightningOf(
  { lightning, network }: SignerConfig,
  log: Log,
): Promise<{ readonly parts: LightningParts; readonly close: () => void } | null> {
  if (lightning === undefined) return null
  const { socket, certFile, macaroonFile } = lightning.lnd
  const macaroon = await readSecretBytes(macaroonFile)
  const cert = await readText(certFile)
  const egress = await egressOf(lightning.resolver)
  const connection = connectLnd({ socket, cert: new TextEncoder().encode(cert), macaroon })
  const node = payingNode(lndClient(connection), network)
  const look = await node.look()
  if (look.kind === 'unfit') {
    connection.close()
    throw new CommandError(look.reason)
  }
  if (look.kind === 'away') log.warn({ reason: look.reason }, 'lnd is not there yet')
  else log.info({ node: look.publicKey }, 'pays over Lightning')
  const parts: LightningParts = {
    node: { ...node, ...openingNode(lndChannelsClient(connection)) },
    askForInvoice: (address, asked, comment) =>
      askForInvoice(address, asked, { comment, egress, clock: systemClock }),
    askForPreimage: (verifyUrl, hash) => askForPreimage(verifyUrl, hash, egress),
  }
  return { parts, close: connection.close }
}

async function egressOf(
  resolver: NonNullable<SignerConfig['lightning']>['resolver'],
): Promise<Egress> {
  if (resolver === undefined) return PUBLIC_INTERNET
  const { address, httpsPort, caFile } = resolver
  return {
    lookUp: async () => [address],
    isAllowed: found => equalBytes(found, address),
    httpsPort,
    ca: await readText(caFile),
    timeoutMs: PUBLIC_INTERNET.timeoutMs,
  }
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
}
