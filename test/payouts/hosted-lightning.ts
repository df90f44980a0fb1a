import type { RequestListener } from 'node:http'
import { expect } from 'vitest'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { connectLnd } from '../../src/lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { lightningHostSigner } from '../../src/payouts/rails/lightning/host-signer-client.ts'
import type { Scheme } from '../../src/payouts/scheme.ts'
import type { SignerHost } from '../signer/host.ts'
import { macaroonOfPage, payingHost } from '../signer/paying-host.ts'
import { testDatabase } from '../support/database.ts'
import { restingOutbound, type TestLightning, testLightning } from '../support/lightning.ts'
import { strangersServer } from '../support/strangers-server.ts'
import { type LightningWorld, lightningWorld } from './lightning-world.ts'

const WAIT = { everyMs: 200, timeoutMs: 90_000 }

/** A pool over real nodes: Alice is its lnd, a real signer host pays, payees' servers are the test's. */
export type HostedLightning = {
  readonly lightning: TestLightning
  readonly host: SignerHost
  readonly world: LightningWorld
  /** Works on the batches until the newest is in that state. */
  readonly becomes: (state: string) => Promise<void>
  /** What Alice can send once nothing is on its way, in millisats. */
  readonly outbound: () => Promise<bigint>
  readonly remove: () => Promise<void>
}

/** @param answerer what the servers of Lightning addresses answer, by the nodes that there are */
export async function hostedLightning(
  schemes: readonly Scheme[],
  answerer: (lightning: TestLightning) => RequestListener,
): Promise<HostedLightning> {
  const lightning = await testLightning()
  const server = await strangersServer()
  server.answerBy(answerer(lightning))
  const host = await payingHost(lightning.alice, server)
  await host.start()
  const macaroon = await macaroonOfPage(lightning.alice, 'read')
  const connection = connectLnd({ ...lightning.alice.access, macaroon })
  const world = await lightningWorld(await testDatabase(), schemes, {
    client: lndClient(connection),
    signerOf: parts => lightningHostSigner({ ...parts, client: host.client }),
  })
  return {
    ...{ lightning, host, world },
    becomes: async state => {
      const isThere = async () => {
        await world.advance()
        return (await world.batches()).at(-1)?.state === state || null
      }
      const is = await pollUntil(isThere, WAIT)
      expect(is, JSON.stringify([await world.batches(), host.log().slice(-2000)])).toBe(true)
    },
    outbound: () => restingOutbound(lightning.alice),
    remove: async () => {
      await world.drop()
      connection.close()
      await host.remove()
      await server.stop()
      await lightning.remove()
    },
  }
}
