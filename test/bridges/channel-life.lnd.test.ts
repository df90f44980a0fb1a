import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { listMoves } from '../../src/bridges/index.ts'
import { channelBridgeJobs } from '../../src/commands/channel-wiring.ts'
import { ask } from '../../src/devnet/connected-lnd.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { lndClient } from '../../src/lib/nodes/lnd-client.ts'
import { connectLnd, type LndConnection } from '../../src/lib/nodes/lnd-grpc-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { lightningHostSigner, type OwnBatchParts } from '../../src/payouts/index.ts'
import { payoutJobs } from '../../src/payouts/jobs.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import { lightningRail } from '../../src/payouts/rails/lightning/lightning-rail.ts'
import { lightningReconciler } from '../../src/payouts/rails/lightning/reconcile-store.ts'
import { NO_RULES } from '../payouts/due.ts'
import { FINALITY, HOUR_MS, OPTIONS, POLICY, runOf } from '../payouts/l1-world.ts'
import { SCHEME } from '../payouts/lightning-world.ts'
import { owe } from '../payouts/plan-world.ts'
import { macaroonOfPage } from '../signer/paying-host.ts'
import { type HostedWorld, hostedWorld } from '../signer/pool-world.ts'
import { type TestLightning, testLightning } from '../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'
import { invoiceOf } from '../support/payee.ts'
import { type StrangersServer, strangersServer } from '../support/strangers-server.ts'

const ANN = 'ann@pay.example.org'
/** What two refills need: the first brings up to the target, and a channel holds no more. */
const [LOW, TARGET, CAP] = [sats(200_000n), sats(1_000_000n), sats(1_500_000n)]
const WAIT = { everyMs: 200, timeoutMs: 90_000 }
const TEST_MS_MAX = 240_000
const NO_LIMITS = { perBatch: null, perDay: null, perDestinationPerDay: null }

describeOnLnd('a float over Lightning, from a wallet of the main chain', () => {
  let lightning: TestLightning
  let server: StrangersServer
  let hosted: HostedWorld
  let connection: LndConnection
  let address: string
  let dir: string

  beforeAll(async () => {
    lightning = await testLightning()
    server = await strangersServer()
    server.answerBy(({ url = '' }, response) => {
      const { pathname, searchParams } = new URL(url, 'https://pay.example.org')
      if (pathname.startsWith('/.well-known/')) return response.end(JSON.stringify(PAY_REQUEST))
      const amount = BigInt(searchParams.get('amount') ?? '0')
      return invoiceOf(lightning.carol, amount).then(({ text }) =>
        response.end(JSON.stringify({ pr: text })),
      )
    })
    const { alice, carol } = lightning
    const made = await ask(alice, z.object({ address: z.string() }), 'newAddress')
    address = made.address
    dir = mkdtempSync(join(tmpdir(), 'sidepool-test-channels-'))
    const file = (name: string, bytes: Uint8Array | string) => {
      writeFileSync(join(dir, name), bytes, { mode: 0o600 })
      return join(dir, name)
    }
    const { httpsPort, ca } = server.egress
    hosted = await hostedWorld(lightning.bitcoind, {
      channelAddress: address,
      lightning: {
        lnd: {
          socket: alice.access.socket,
          certFile: file('tls.cert', alice.access.cert),
          macaroonFile: file('macaroon', await macaroonOfPage(alice, 'pay-and-open')),
        },
        resolver: { address: '127.0.0.1', httpsPort, caFile: file('ca.pem', ca ?? '') },
        channels: {
          ...{ addresses: [address], feeRateMaxSatPerVb: 100 },
          peers: [{ publicKey: carol.publicKey, socket: carol.peerSocket }],
        },
      },
    })
    connection = connectLnd({ ...alice.access, macaroon: await macaroonOfPage(alice, 'read') })
  }, LND_WAIT_MS)

  afterAll(async () => {
    await hosted?.remove()
    connection?.close()
    await server?.stop()
    await lightning?.remove()
    if (dir) await rm(dir, { recursive: true, force: true })
  })

  const bridgeJob = (name: string) => {
    const { world, wallet, host } = hosted
    const { db, clock } = world
    const log = createLog('test', 'silent')
    const client = walletClient(connectNode(lightning.bitcoind.rpc), wallet)
    const parts: OwnBatchParts = {
      ...{ db, clock, log, ...OPTIONS, rail: 'l1', wallets: [{ wallet: 'hot', client }] },
      ...{ depositAddress: null, channelAddress: address, thunder: null, frozen: async () => null },
      rules: () => ({ version: POLICY.version, limits: NO_LIMITS, allowList: null }),
      expiresAfterMs: HOUR_MS,
    }
    const channel = { atLeastSats: sats(100_000n), atMostSats: TARGET }
    const refill = { from: 'hot', lowSats: LOW, targetSats: TARGET, capSats: CAP } as const
    const peers = [lightning.carol.publicKey]
    const config = {
      bridges: { lightning: { address, peers, channel, refill } },
      rails: { l1: { finalityDepth: FINALITY } },
    }
    return runOf(
      channelBridgeJobs({ config, db, clock, log }, parts, { signer: host.client, connection }),
      name,
    )
  }
  const booked = async () => {
    const all = await hosted.world.balances()
    const of = (name: string) => (all[name] ?? 0n) / 1000n
    return [of('asset:lightning_transit'), of('asset:lightning'), of('asset:lightning_wallet')]
  }
  const floats = async () => {
    const { db, clock } = hosted.world
    const log = createLog('test', 'silent')
    const parts = { db, clock, log, network: 'regtest', client: lndClient(connection) }
    return lightningReconciler(parts).run()
  }
  const ownChannels = async () =>
    (await lndClient(connection).channels()).filter(
      ({ peer }) => peer === lightning.carol.publicKey,
    )

  test('is planned where it is empty, and in transit once approved, sent and final', {
    timeout: TEST_MS_MAX,
  }, async () => {
    await bridgeJob('refill-lightning')
    await bridgeJob('refill-lightning')
    const batch = await hosted.last()
    expect(batch.state).toBe('planned')
    await hosted.world.approve(batch.id)
    await hosted.pool.advance()
    expect(await hosted.last()).toMatchObject({ state: 'sent', note: '' })
    await lightning.mine(FINALITY)
    await hosted.pool.advance()
    expect(await hosted.last()).toMatchObject({ state: 'settled' })
    expect(await booked()).toEqual([TARGET, 0n, 0n])
    expect(await floats()).toMatchObject({ findings: [] })
    expect(await listMoves(hosted.world.db)).toMatchObject([
      { bridge: 'lightning', batch: batch.id, amount: TARGET, state: 'transit', coin: { vout: 0 } },
    ])
  })

  test('becomes one channel, whoever asks twice, is killed or away meanwhile', {
    timeout: TEST_MS_MAX,
  }, async () => {
    await lightning.carol.kill()
    await bridgeJob('follow-lightning')
    expect(await booked()).toEqual([TARGET, 0n, 0n])
    await lightning.carol.restart()
    // The reply is lost with the host, and asked for again.
    const first = bridgeJob('follow-lightning')
    await hosted.host.kill()
    await first
    await hosted.host.start()
    await lightning.alice.kill()
    await lightning.alice.restart()
    const isOpening = async () => {
      await Promise.all([bridgeJob('follow-lightning'), bridgeJob('follow-lightning')])
      return (await lndClient(connection).liquidity()).opening > 0n || null
    }
    expect(await pollUntil(isOpening, WAIT)).toBe(true)
    const isOpen = async () => {
      await lightning.mine(1)
      await bridgeJob('follow-lightning')
      return (await booked())[0] === 0n || null
    }
    expect(await pollUntil(isOpen, WAIT)).toBe(true)
    await bridgeJob('follow-lightning')
    const channels = await ownChannels()
    expect(channels).toHaveLength(1)
    const moved = { bridge: 'lightning', state: 'credited', coin: channels[0]?.coin }
    expect(await listMoves(hosted.world.db)).toMatchObject([moved])
    expect(await booked()).toEqual([0n, channels[0]?.capacity, 0n])
    expect(await floats()).toMatchObject({ findings: [] })
    await bridgeJob('refill-lightning')
    expect((await hosted.world.batches()).length).toBe(1)
  })

  test('pays a miner through that channel', { timeout: TEST_MS_MAX }, async () => {
    const { world, host } = hosted
    const { db, clock } = world
    await owe(db, ANN, { amountSats: 3000n, scheme: SCHEME })
    const rail = lightningRail({
      ...{ db, clock, client: lndClient(connection), policy: async () => POLICY },
      signer: lightningHostSigner({ db, clock, client: host.client }),
      options: { network: 'regtest', feeMax: { base: sats(3n), ppm: 1000n } },
    })
    const jobs = payoutJobs({
      ...{ db, clock, log: createLog('test', 'silent'), network: 'regtest' },
      ...{ schemes: [SCHEME], rails: [rail], rules: () => NO_RULES },
      ...{ approvePlanned: async () => [], frozen: async () => null, silenced: async () => null },
      ...{ freeze: async () => {}, expiresAfterMs: HOUR_MS, owner: 'test' },
    })
    expect(await pollUntil(leadsStraightThere, WAIT)).toBe(true)
    const before = await outboundTo()
    await runOf(jobs, 'plan-payouts')
    await world.approve((await hosted.last()).id)
    const isPaid = async () => {
      await runOf(jobs, 'advance-batches')
      return (await hosted.last()).state === 'settled' || null
    }
    expect(await pollUntil(isPaid, WAIT), (await hosted.last()).note).toBe(true)
    expect(before - (await outboundTo())).toBeGreaterThanOrEqual(3000n)
    expect(await floats()).toMatchObject({ findings: [] })
  })

  /** An open channel enters lnd's graph a moment later; until then a payment goes by way of Bob. */
  async function leadsStraightThere(): Promise<true | null> {
    const reply = z.object({ routes: z.array(z.object({ hops: z.array(z.unknown()) })) })
    const sought = { pub_key: lightning.carol.publicKey, amt: '3000' }
    const { routes } = await ask(lightning.alice, reply, 'queryRoutes', sought)
    return routes.every(({ hops }) => hops.length === 1) || null
  }

  /** What the channel holds on our side, in satoshis. */
  async function outboundTo(): Promise<bigint> {
    const reply = z.object({
      channels: z.array(z.object({ remote_pubkey: z.string(), local_balance: z.string() })),
    })
    const { channels } = await ask(lightning.alice, reply, 'listChannels')
    const own = channels.find(each => each.remote_pubkey === lightning.carol.publicKey)
    return BigInt(own?.local_balance ?? '0')
  }
})

const PAY_REQUEST = {
  ...{ tag: 'payRequest', callback: 'https://api.example.com/cb/ann' },
  ...{ minSendable: 1000, maxSendable: 100_000_000 },
  metadata: '[["text/plain","for ann"],["text/identifier","ann@pay.example.org"]]',
}
