import { afterAll, beforeAll, expect, test } from 'vitest'
import { bidsOfBlocks, bmmJobs, readMessage } from '../../src/bmm/index.ts'
import { sideNodeOf } from '../../src/commands/bmm-wiring.ts'
import { startTemplates } from '../../src/commands/stratum-templates.ts'
import { HEADER_BYTES, headerHash } from '../../src/lib/bitcoin/header.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { type BitcoindClient, bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import {
  type EnforcerTemplateClient,
  enforcerTemplateClient,
} from '../../src/lib/nodes/enforcer-template-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { systemClock } from '../../src/lib/time.ts'
import type { TemplateEvent } from '../../src/pool/index.ts'
import { jobOn, mineJob, PARTS, SIDE_BLOCK } from '../bmm/bidding.ts'
import { openEpoch, SILENT } from '../pool/mining-fixtures.ts'
import { letBundleAge, makePayableBundle } from '../support/bundle.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import {
  type ProvidedSidechain,
  runsOnServices,
  simulatorsOf,
  testSidechain,
} from '../support/test-sidechain.ts'

let sidechain: ProvidedSidechain
let database: TestDatabase
let node: BitcoindClient
let enforcer: EnforcerTemplateClient
beforeAll(async () => {
  ;[sidechain, database] = await Promise.all([testSidechain(), testDatabase()])
  node = bitcoindClient(connectNode(sidechain.node.rpc))
  enforcer = enforcerTemplateClient(sidechain.urls.templateUrl)
  await openEpoch(database.ownerDb, 1n)
})
afterAll(async () => {
  await sidechain.remove()
  await database.drop()
})

/** @param namedBy what of the configuration says where our Thunder node is */
function configOf(yieldsFromSats: bigint | null, namedBy: 'bmm' | 'rail' = 'bmm') {
  const { publicUrl, privateUrl } = sidechain.urls
  const node = { publicUrl, privateUrl }
  const rail = { ...node, addresses: [], finalityDepth: 1, feeSats: sats(0n) }
  return {
    network: 'regtest' as const,
    node: {},
    rails: namedBy === 'rail' ? { thunder: { ...rail, signer: { kind: 'host' as const } } } : {},
    bmm: {
      templateUrl: sidechain.urls.templateUrl,
      drivechainOpcode: 'nop5' as const,
      thunder: {
        ...(namedBy === 'bmm' && { node }),
        yieldsFromSats: yieldsFromSats === null ? null : sats(yieldsFromSats),
      },
    },
  }
}

type Found = Extract<TemplateEvent, { kind: 'template' }>['template']

/** The first template on the tip that is as it is meant. */
async function awaitTemplate(
  config: ReturnType<typeof configOf>,
  isMeant: (template: Found) => boolean,
): Promise<Found> {
  const templates: Found[] = []
  const source = startTemplates(
    { config, db: database.db, clock: systemClock, log: SILENT },
    {
      ...{ nodes: [{ name: 'the node', node }], enforcer },
      bundleEnforcer: enforcerClient({ grpcUrl: sidechain.urls.enforcerUrl }),
      parts: { ...PARTS, bytesMax: 500 },
      deposits: null,
      onEvent: event => void (event.kind === 'template' && templates.push(event.template)),
    },
  )
  const found = await pollUntil(() => templates.find(isMeant) ?? null, {
    everyMs: 20,
    timeoutMs: 60_000,
  })
  await source.stop()
  if (!found) throw new Error('no such template came')
  return found
}

/** Expects the enforcer to leave a block in the chain. */
async function expectKept(raw: Uint8Array): Promise<void> {
  await sidechain.sync()
  const hash = headerHash(raw.subarray(0, HEADER_BYTES))
  expect(await sidechain.node.cliText('getbestblockhash')).toBe(hash)
}

const m7Of = (template: Found) =>
  template.commitments
    .map(({ script }) => readMessage(script))
    .flatMap(message => (message?.kind === 'M7' ? [message] : []))

test('a block of ours carries a side block of our rail’s node, which has it afterwards', async () => {
  const config = configOf(null, 'rail')
  const template = await awaitTemplate(config, each => m7Of(each).length === 1)
  expect(template.isEnforced).toBe(true)
  const raw = await mineJob(sidechain.node, jobOn(template))
  const hash = headerHash(raw.subarray(0, HEADER_BYTES))
  expect(await enforcer.submitBlock(raw)).toBe('duplicate')
  await expectKept(raw)

  const row = { hash, height: template.height, epoch_id: 1n, session_id: null, account_id: null }
  await database.db
    .insertInto('blocks')
    .values({ ...row, scheme: 'pps', value_sats: 1n, work: 1n, found_ms: 1n, recovered: false })
    .execute()
  const jobs = bmmJobs({
    ...{ db: database.db, node, clock: systemClock, log: SILENT },
    sideNode: sideNodeOf(config),
    tipHeight: async () => template.height,
  })
  for (const job of jobs) await job.run()
  const [bid] = await bidsOfBlocks(database.db, [hash])
  expect(bid).toMatchObject({ slot: 9, own: 'connected', fee: 0n })
  expect(await sidechain.thunderCall('get_best_sidechain_block_hash')).toBe(bid?.sideBlock)
})

test('a bid that pays enough has the slot instead, and its block is taken', async () => {
  await sidechain.enforcerCall('WalletService/CreateBmmCriticalDataTransaction', {
    ...{ sidechain_id: 9, value_sats: 7000, height: 0, critical_hash: { hex: SIDE_BLOCK } },
    prev_bytes: { hex: await sidechain.node.cliText('getbestblockhash') },
  })
  const paid = await awaitTemplate(configOf(1000n), each => each.transactions.length === 1)
  expect(m7Of(paid)).toMatchObject([{ slot: 9, sideBlock: SIDE_BLOCK }])
  const free = await awaitTemplate(
    configOf(null),
    each => m7Of(each).length === 1 && each.transactions.length === 0,
  )
  expect(m7Of(free)[0]?.sideBlock).not.toBe(SIDE_BLOCK)
  await expectKept(await mineJob(sidechain.node, jobOn(paid)))
})

test('a block of ours pays a bundle, unless it fails in that block, whatever the enforcer offers', {
  timeout: 240_000,
}, async () => {
  await makePayableBundle(sidechain)
  await awaitTemplate(configOf(null), each => each.transactions.length === 1)
  await letBundleAge(sidechain)
  expect((await enforcer.getBlockTemplate()).transactions).toHaveLength(1)
  const template = await awaitTemplate(
    configOf(null),
    each => each.isEnforced && m7Of(each).length === 1,
  )
  expect(template.transactions).toEqual([])
  await expectKept(await mineJob(sidechain.node, jobOn(template)))
})

test.skipIf(runsOnServices)(
  'while the enforcer catches up, as only a simulated one does on demand, the node gives templates with our side block',
  async () => {
    const { control } = simulatorsOf(sidechain).enforcer
    control.setSyncing(true)
    const template = await awaitTemplate(configOf(null), each => m7Of(each).length === 1)
    expect(template.isEnforced).toBe(false)
    const raw = await mineJob(sidechain.node, jobOn(template))
    control.setSyncing(false)
    await expectKept(raw)
  },
)
