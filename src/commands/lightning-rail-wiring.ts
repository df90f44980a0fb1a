import { readFile } from 'node:fs/promises'
import type { SpendPolicy } from '../approval/index.ts'
import type { Config } from '../config.ts'
import { lndClient } from '../lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../lib/nodes/lnd-grpc-client.ts'
import {
  lightningHostSigner,
  lightningRail,
  lightningReconciler,
  type Rail,
  type Reconciler,
  type SignerClient,
} from '../payouts/index.ts'
import { CommandError } from './command.ts'
import type { Setting } from './role.ts'

type LightningConfig = NonNullable<Config['rails']['lightning']>

/** The rail over Lightning, what compares its channels with the books, and its connection. */
export type LightningRailParts = {
  readonly rail: Rail
  readonly floats: Reconciler
  readonly connection: LndConnection
}

/** Null where the configuration has no such rail. */
export async function lightningParts(
  { config, db, clock, log }: Setting,
  signer: SignerClient | null,
  policy: () => Promise<SpendPolicy>,
): Promise<LightningRailParts | null> {
  const { network, rails } = config
  const { lightning } = rails
  if (!lightning) return null
  if (signer === null) throw new CommandError('rails.lightning: no signer is configured')
  const connection = await connectPoolLnd(lightning)
  const client = lndClient(connection)
  const { baseSats, ppm } = lightning.feeMax
  const options = { network, feeMax: { base: baseSats, ppm: BigInt(ppm) } }
  return {
    rail: lightningRail({
      ...{ db, clock, client, options, policy },
      signer: lightningHostSigner({ db, client: signer, clock }),
    }),
    floats: lightningReconciler({ db, clock, log, network, client }),
    connection,
  }
}

/** By the macaroon that can only look. */
export async function connectPoolLnd({ lnd }: LightningConfig): Promise<LndConnection> {
  const { socket, certFile, macaroonFile } = lnd
  const read = (path: string) =>
    readFile(path).catch(() => {
      throw new CommandError(`rails.lightning.lnd: there is no file ${path}`)
    })
  return connectLnd({ socket, cert: await read(certFile), macaroon: await read(macaroonFile) })
}
