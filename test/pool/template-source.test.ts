import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Publisher } from 'zeromq'
import { z } from 'zod'
import { targetFromNbits, targetHex } from '../../src/lib/bitcoin/target.ts'
import { freePort } from '../../src/lib/free-port.ts'
import { type UnixMs, unixMs } from '../../src/lib/ids.ts'
import type { Log } from '../../src/lib/log.ts'
import { connectNode, type NodeAccess } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bitcoindClient } from '../../src/lib/nodes/bitcoind-client.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { type TemplateEvent, watchTemplates } from '../../src/pool/template-source.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'

type Watched = ReturnType<typeof watch>

/** Watches a node by a clock that stands still until it is moved, and keeps what it says. */
function watch(access: NodeAccess, network: 'regtest' | 'mainnet', zmqHashBlockUrl?: string) {
  let now: UnixMs = unixMs(1_700_000_000_000)
  const events: TemplateEvent[] = []
  const warnings: string[] = []
  const log: Log = {
    info: () => undefined,
    warn: fields => warnings.push(JSON.stringify(fields)),
    error: () => undefined,
  }
  const source = watchTemplates({
    node: bitcoindClient(connectNode(access)),
    network,
    clock: { now: () => now },
    log,
    onEvent: event => events.push(event),
    ...(zmqHashBlockUrl ? { zmqHashBlockUrl } : {}),
  })
  return {
    ...source,
    events,
    warnings,
    moveClock: (ms: number) => {
      now = unixMs(now + ms)
    },
  }
}

/** Waits for the first event, from the given one on, that is meant. */
async function nextEvent(
  { events }: Watched,
  from: number,
  isMeant: (event: TemplateEvent) => boolean = () => true,
): Promise<TemplateEvent> {
  const find = () => events.slice(from).find(isMeant) ?? null
  const event = await pollUntil(find, { everyMs: 10, timeoutMs: 45_000 })
  if (!event) throw new Error(`no such event among ${JSON.stringify(events.map(e => e.kind))}`)
  return event
}

/** So many blocks one after another take longer than that if only looks every 5 s find them. */
const [BLOCKS, FEWER_LOOKS_MS] = [12, 50_000]

const buildsOn = (hash: string | undefined) => (event: TemplateEvent) =>
  event.kind === 'template' && event.template.previousBlock === hash

describe('the templates of a real node', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await testNode()
    await node.mine(1)
  })
  afterAll(() => node.remove())

  test(
    'follow each new block by the long poll alone, faster than looks could',
    async () => {
      const watched = watch(node.rpc, 'regtest')
      expect(await nextEvent(watched, 0)).toMatchObject({ kind: 'template', isNewBlock: true })
      for (let block = 0; block < BLOCKS; block++) {
        const [tip] = await node.mine(1)
        expect(await nextEvent(watched, 1, buildsOn(tip))).toMatchObject({ isNewBlock: true })
      }
      await watched.stop()
      expect(watched.warnings).toEqual([])
    },
    FEWER_LOOKS_MS,
  )

  test('go back when a block is taken back', async () => {
    const watched = watch(node.rpc, 'regtest', node.zmqHashBlockUrl)
    await nextEvent(watched, 0)
    const before = await node.cliText('getbestblockhash')
    const [tip] = await node.mine(1)
    await nextEvent(watched, 1, buildsOn(tip))
    const from = watched.events.length
    await node.cli('invalidateblock', tip)
    expect(await nextEvent(watched, from, buildsOn(before))).toMatchObject({ isNewBlock: true })
    await watched.stop()
    await node.cli('reconsiderblock', tip)
  })

  test('are renewed on the same block when they get old', async () => {
    const watched = watch(node.rpc, 'regtest')
    await nextEvent(watched, 0)
    watched.moveClock(30_000)
    const renewed = await nextEvent(watched, 1)
    expect(renewed).toMatchObject({ kind: 'template', isNewBlock: false })
    await watched.stop()
  })

  test('stop on the wrong network', async () => {
    const watched = watch(node.rpc, 'mainnet')
    const paused = await nextEvent(watched, 0)
    expect(paused).toMatchObject({ kind: 'paused', reason: 'wrong network' })
    await watched.stop()
  })

  test('survive a node that is killed: work goes on for a while, ends, and begins again', async () => {
    const watched = watch(node.rpc, 'regtest', node.zmqHashBlockUrl)
    await nextEvent(watched, 0)
    await node.kill()
    await pollUntil(() => watched.warnings[0] ?? null, { everyMs: 20, timeoutMs: 45_000 })
    expect(watched.events.filter(event => event.kind === 'paused')).toEqual([])
    watched.moveClock(60_001)
    const paused = await nextEvent(watched, 1)
    expect(paused).toMatchObject({ kind: 'paused', reason: 'node lost' })
    await node.restart()
    expect(await nextEvent(watched, 2)).toMatchObject({ kind: 'template', isNewBlock: true })
    expect(watched.warnings).toHaveLength(1)
    await watched.stop()
  })
})

describe('the templates of a node that behaves strangely', () => {
  const servers: Server[] = []
  afterAll(() => {
    for (const server of servers) server.close()
  })
  const [OLD, NEW] = ['aa'.repeat(32), 'bb'.repeat(32)]
  const question = z.object({ method: z.string(), params: z.array(z.unknown()) })

  const INFO = {
    chain: 'main',
    blocks: 900_000,
    headers: 900_000,
    bestblockhash: OLD,
    initialblockdownload: false,
  }
  const TEMPLATE = {
    height: 900_001,
    previousblockhash: OLD,
    version: 0x20000000,
    bits: '1d00ffff',
    target: targetHex(targetFromNbits(0x1d00ffff) ?? 0n),
    mintime: 1,
    curtime: 2,
    coinbasevalue: 312_500_000,
    rules: ['!segwit'],
    mutable: ['time'],
    longpollid: OLD,
    transactions: [],
  }

  const HEADER = {
    hash: NEW,
    height: 900_001,
    confirmations: 1,
    previousblockhash: OLD,
    time: 1_699_999_990,
    mediantime: 1_699_999_000,
  }

  type StrangeState = {
    info: typeof INFO
    template: typeof TEMPLATE
    header: object | null
    /** Settles when templates may be answered. */
    ready: Promise<unknown>
    error: { readonly code: number; readonly message: string } | null
    looks: number
    /** Each ends a long poll that was begun. */
    readonly polls: (() => void)[]
  }

  /** A daemon on mainnet that answers what the test sets; long polls end when the test ends them. */
  async function strangeNode() {
    const state: StrangeState = {
      ...{ info: INFO, template: TEMPLATE, header: null },
      ...{ ready: Promise.resolve(), error: null, looks: 0, polls: [] },
    }
    const server = createServer(async (request, response) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of request) chunks.push(chunk)
      const { method, params } = question.parse(JSON.parse(Buffer.concat(chunks).toString()))
      if (JSON.stringify(params).includes('longpollid'))
        await new Promise<void>(resolve => state.polls.push(resolve))
      if (method === 'getblockchaininfo') state.looks += 1
      const isTemplate = method === 'getblocktemplate'
      if (isTemplate) await state.ready
      const error = isTemplate ? state.error : null
      const known = new Map<string, object | null>([
        ['getblocktemplate', state.template],
        ['getblockheader', state.header],
        ['getblockchaininfo', state.info],
      ])
      const result = error ? null : known.get(method)
      response.writeHead(error ? 500 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ result, error, id: 1 }))
    })
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    return { state, access: { url: `http://127.0.0.1:${port}`, user: 'u', password: 'p' } }
  }

  test('wait until it has caught up, by its own word or by its headers', async () => {
    const { state, access } = await strangeNode()
    state.info = { ...state.info, headers: 900_004 }
    const watched = watch(access, 'mainnet')
    expect(await nextEvent(watched, 0)).toMatchObject({ kind: 'paused', reason: 'node is syncing' })
    state.info = { ...state.info, headers: 900_000 }
    expect(await nextEvent(watched, 1)).toMatchObject({ kind: 'template', isNewBlock: true })
    state.info = { ...state.info, initialblockdownload: true }
    expect(await nextEvent(watched, 2)).toMatchObject({ kind: 'paused', reason: 'node is syncing' })
    await watched.stop()
  })

  test('say the same trouble once, however often it is seen', async () => {
    const { state, access } = await strangeNode()
    state.info = { ...state.info, chain: 'test' }
    const watched = watch(access, 'mainnet')
    await pollUntil(() => state.looks >= 2 || null, { everyMs: 20, timeoutMs: 45_000 })
    await watched.stop()
    expect(watched.events.map(event => event.kind)).toEqual(['paused'])
    expect(watched.warnings).toHaveLength(1)
  })

  test(
    'follow the doorbell alone, faster than looks could',
    async () => {
      const { state, access } = await strangeNode()
      const doorbell = new Publisher()
      const url = `tcp://127.0.0.1:${await freePort()}`
      await doorbell.bind(url)
      const watched = watch(access, 'mainnet', url)
      await nextEvent(watched, 0)
      for (let block = 0; block < BLOCKS; block++) {
        const tip = block.toString(16).padStart(64, '0')
        state.template = { ...state.template, previousblockhash: tip }
        state.info = { ...state.info, bestblockhash: tip }
        // The subscription takes its time, so the bell is rung until it is heard.
        const heard = async () => {
          await doorbell.send(['hashblock', Buffer.from(tip, 'hex'), Buffer.alloc(4)])
          return watched.events.some(buildsOn(tip)) || null
        }
        expect(await pollUntil(heard, { everyMs: 20, timeoutMs: 45_000 })).toBe(true)
      }
      await watched.stop()
      doorbell.close()
    },
    FEWER_LOOKS_MS,
  )

  test('need no long poll while the doorbell has named the tip', async () => {
    const { state, access } = await strangeNode()
    const doorbell = new Publisher()
    const url = `tcp://127.0.0.1:${await freePort()}`
    await doorbell.bind(url)
    const watched = watch(access, 'mainnet', url)
    const ringFor = async (hash: string) => {
      await doorbell.send(['hashblock', Buffer.from(hash, 'hex'), Buffer.alloc(4)])
    }
    const moveTo = (tip: string) => {
      state.template = { ...state.template, previousblockhash: tip }
      state.info = { ...state.info, bestblockhash: tip }
    }
    await nextEvent(watched, 0)
    await pollUntil(() => state.polls[0] ?? null, { everyMs: 20, timeoutMs: 45_000 })
    const lookedThrice = async () => {
      const from = state.looks
      const isDone = async () => {
        await ringFor(NEW)
        return state.looks > from + 3 || null
      }
      expect(await pollUntil(isDone, { everyMs: 20, timeoutMs: 45_000 })).toBe(true)
    }
    moveTo(NEW)
    await lookedThrice()
    state.polls[0]?.()
    await lookedThrice()
    expect(state.polls).toHaveLength(1)
    const UNHEARD = 'cc'.repeat(32)
    moveTo(UNHEARD)
    await ringFor(NEW)
    await nextEvent(watched, 1, buildsOn(UNHEARD))
    await pollUntil(() => state.polls[1] ?? null, { everyMs: 20, timeoutMs: 45_000 })
    expect(state.polls).toHaveLength(2)
    await watched.stop()
    doorbell.close()
  })

  test('are renewed early on the same block for a hundredth more, and not for less', async () => {
    const { state, access } = await strangeNode()
    const watched = watch(access, 'mainnet')
    await nextEvent(watched, 0)
    const { coinbasevalue } = TEMPLATE
    state.template = { ...TEMPLATE, coinbasevalue: coinbasevalue + 3_124_999 }
    await pollUntil(() => state.looks >= 3 || null, { everyMs: 20, timeoutMs: 45_000 })
    expect(watched.events).toHaveLength(1)
    state.template = { ...TEMPLATE, coinbasevalue: coinbasevalue + 3_125_000 }
    const dearer = await nextEvent(watched, 1)
    expect(dearer).toMatchObject({ isNewBlock: false, template: { value: 315_625_000n } })
    await watched.stop()
  })

  test('are empty on a new tip until the full one is there', async () => {
    const { state, access } = await strangeNode()
    const doorbell = new Publisher()
    const url = `tcp://127.0.0.1:${await freePort()}`
    await doorbell.bind(url)
    const watched = watch(access, 'mainnet', url)
    await nextEvent(watched, 0)
    const { promise, resolve } = Promise.withResolvers<void>()
    state.ready = promise
    state.header = HEADER
    state.info = { ...state.info, bestblockhash: NEW, blocks: 900_001, headers: 900_001 }
    state.template = { ...TEMPLATE, height: 900_002, previousblockhash: NEW }
    // The subscription takes its time, so the bell is rung until it is heard.
    const heard = async () => {
      await doorbell.send(['hashblock', Buffer.from(NEW, 'hex'), Buffer.alloc(4)])
      return watched.events.some(buildsOn(NEW)) || null
    }
    expect(await pollUntil(heard, { everyMs: 20, timeoutMs: 45_000 })).toBe(true)
    expect(watched.events.slice(1)).toMatchObject([
      {
        isNewBlock: true,
        template: {
          height: 900_002,
          value: 312_500_000n,
          minTime: 1_699_999_001,
          transactions: [],
        },
      },
    ])
    resolve()
    const full = await nextEvent(watched, 2)
    expect(full).toMatchObject({ isNewBlock: false, template: { minTime: 1, longPollId: OLD } })
    await watched.stop()
    doorbell.close()
  })

  test('end at once when the tip moved and there is no template on it', async () => {
    const { state, access } = await strangeNode()
    const watched = watch(access, 'mainnet')
    await nextEvent(watched, 0)
    state.error = { code: -9, message: 'Bitcoin Core is not connected!' }
    state.info = { ...state.info, bestblockhash: NEW }
    const paused = await nextEvent(watched, 1)
    expect(paused).toMatchObject({ kind: 'paused', reason: 'node gives no template' })
    await watched.stop()
  })

  test('are not handed out when they cannot be mined', async () => {
    const { state, access } = await strangeNode()
    state.template = { ...state.template, bits: '1d00fffe' }
    const watched = watch(access, 'mainnet')
    const paused = await nextEvent(watched, 0)
    expect(paused).toMatchObject({ kind: 'paused', reason: 'template refused' })
    await watched.stop()
  })
})
