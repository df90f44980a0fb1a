import { setTimeout as sleep, setImmediate as yieldOnce } from 'node:timers/promises'
import { z } from 'zod'
import { fromHex } from '../lib/bytes.ts'
import { createHeaderHash } from './header-hash.ts'
import { type Found, type NonceSearch, searchNonces } from './nonce-search.ts'
import { connectStratum, type StratumClient } from './stratum-client.ts'
import { parseNotify, targetFromDifficulty } from './stratum-work.ts'

const AGENT = 'sidepool-cpu-miner/1'
const RECONNECT_MS = 300
const TICK_MS = 20
/** Between two looks at the socket when nothing holds the miner back: a few milliseconds. */
const HASHES_PER_TURN = 1000
/** Shares without an answer. At that many the miner rests, since the pool cannot keep up. */
const UNACKNOWLEDGED_MAX = 100
/** BIP 320: the bits that a miner may roll. */
const VERSION_MASK = '1fffe000'

/** What happens to a miner, in order. Each is one line of the program's output. */
export type MinerEvent =
  | { readonly kind: 'subscribed'; readonly extranonce1: string; readonly resumed: boolean }
  | { readonly kind: 'authorized'; readonly user: string }
  | { readonly kind: 'refused'; readonly request: string; readonly reason: string }
  | { readonly kind: 'job'; readonly jobId: string; readonly difficulty: number }
  | { readonly kind: 'share'; readonly hash: string; readonly difficulty: number }
  /** A share whose answer never came, in a session that the pool took up again. */
  | { readonly kind: 'sent again'; readonly hash: string }
  | { readonly kind: 'accepted'; readonly hash: string; readonly difficulty: number }
  | { readonly kind: 'rejected'; readonly hash: string; readonly reason: string }
  /** A share whose answer never came, in a session that the pool has forgotten. */
  | { readonly kind: 'lost'; readonly hash: string }
  | { readonly kind: 'disconnected' }

/** How to mine. */
export type MinerOptions = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** At most about so many; null for as fast as one core can. */
  readonly hashesPerSecond: number | null
  readonly onEvent: (event: MinerEvent) => void
}

/** A miner at work, which connects again whenever its connection breaks. */
export type Miner = { readonly stop: () => Promise<void> }

type Share = Found & { readonly difficulty: number }

/** What a miner keeps over its connections. */
type Memory = {
  readonly hash: (bytes: Uint8Array) => Uint8Array
  readonly unacknowledged: Map<string, Share>
  readonly takeCounter: () => number
  session: { readonly id: string; readonly extranonce1: string } | null
}

/** What the pool has said on one connection. */
type Heard = {
  difficulty: number
  versionMask: number
  job: { readonly params: unknown; readonly difficulty: number } | null
}

const subscribeResult = z.tuple([
  z.array(z.tuple([z.string(), z.string()])).max(10),
  z.string().regex(/^([0-9a-f]{2}){1,16}$/),
  z.int().min(1).max(16),
])
const configureResult = z.object({
  'version-rolling': z.literal(true),
  'version-rolling.mask': z.string().regex(/^[0-9a-fA-F]{1,8}$/),
})
const difficultyParams = z.tuple([z.number().positive()])
const maskParams = z.tuple([z.string().regex(/^[0-9a-fA-F]{1,8}$/)])

/** Mines by Stratum V1 as firmware does, with version rolling and resumed sessions. */
export function startMiner(options: MinerOptions): Miner {
  const stopping = new AbortController()
  const finished = mineUntil(stopping.signal, options)
  return {
    stop: () => {
      stopping.abort()
      return finished
    },
  }
}

async function mineUntil(stop: AbortSignal, options: MinerOptions): Promise<void> {
  let counter = 0
  const takeCounter = () => counter++
  const hash = await createHeaderHash()
  const memory: Memory = { hash, takeCounter, unacknowledged: new Map(), session: null }
  while (!stop.aborted) {
    await serve(stop, options, memory)
    options.onEvent({ kind: 'disconnected' })
    await sleep(RECONNECT_MS, undefined, { signal: stop }).catch(() => {})
  }
}

/** One connection, from its beginning to its end. */
async function serve(stop: AbortSignal, options: MinerOptions, memory: Memory): Promise<void> {
  const { host, port, onEvent } = options
  const heard: Heard = { difficulty: 1, versionMask: 0, job: null }
  const onNotice = (method: string, params: unknown) => hear(heard, method, params)
  const client = await connectStratum({ host, port, onNotice }).catch(() => null)
  if (client === null) return
  stop.addEventListener('abort', client.close)
  const ended = new AbortController()
  void client.closed.then(() => ended.abort())
  const opened = await openSession(client, options, memory, heard)
  if (opened) {
    const { unacknowledged } = memory
    for (const share of unacknowledged.values()) {
      onEvent({ kind: opened.resumed ? 'sent again' : 'lost', hash: share.hash })
      if (opened.resumed) void submit(client, options, memory, share)
      else unacknowledged.delete(share.hash)
    }
    await mine(client, ended.signal, options, memory, { ...opened, heard })
  }
  stop.removeEventListener('abort', client.close)
  client.close()
  await client.closed
}

function hear(heard: Heard, method: string, params: unknown): void {
  switch (method) {
    case 'mining.set_difficulty':
      // It counts from the next job on, as in minerd, cgminer and AxeOS.
      heard.difficulty = difficultyParams.safeParse(params).data?.[0] ?? heard.difficulty
      return
    case 'mining.set_version_mask': {
      const mask = maskParams.safeParse(params).data?.[0]
      if (mask !== undefined) heard.versionMask = Number.parseInt(mask, 16)
      return
    }
    case 'mining.notify':
      heard.job = { params, difficulty: heard.difficulty }
      return
  }
}

/** Configure, subscribe, authorize: each awaited, as cgminer does. Null when the pool refuses. */
async function openSession(
  client: StratumClient,
  { user, password, onEvent }: MinerOptions,
  memory: Memory,
  heard: Heard,
) {
  const ask = async (method: string, params: readonly unknown[]) => {
    const reply = await client.request(method, params)
    if (reply.kind === 'result') return reply.result
    if (reply.kind === 'error') onEvent({ kind: 'refused', request: method, reason: reply.reason })
    return null
  }
  const rolling = { 'version-rolling.mask': VERSION_MASK, 'version-rolling.min-bit-count': 2 }
  const configured = await ask('mining.configure', [['version-rolling'], rolling])
  const mask = configureResult.safeParse(configured).data?.['version-rolling.mask']
  heard.versionMask = mask === undefined ? 0 : Number.parseInt(mask, 16)

  const former = memory.session
  const subscribed = await ask('mining.subscribe', former ? [AGENT, former.id] : [AGENT])
  const result = subscribeResult.safeParse(subscribed).data
  if (!result) return null
  const [subscriptions, extranonce1, extranonce2Bytes] = result
  const resumed = former?.extranonce1 === extranonce1
  const id = subscriptions.find(([method]) => method === 'mining.notify')?.[1]
  memory.session = id === undefined ? null : { id, extranonce1 }
  onEvent({ kind: 'subscribed', extranonce1, resumed })

  if ((await ask('mining.authorize', [user, password])) === null) return null
  onEvent({ kind: 'authorized', user })
  return { extranonce1: fromHex(extranonce1), extranonce2Bytes, resumed }
}

async function mine(
  client: StratumClient,
  ended: AbortSignal,
  options: MinerOptions,
  memory: Memory,
  session: {
    readonly extranonce1: Uint8Array
    readonly extranonce2Bytes: number
    readonly heard: Heard
  },
): Promise<void> {
  const { hashesPerSecond: rate, onEvent } = options
  const { heard } = session
  const turn = rate === null ? HASHES_PER_TURN : Math.max(1, Math.floor((rate * TICK_MS) / 1000))
  const pauseMs = rate === null ? TICK_MS : Math.max(TICK_MS, 1000 / rate)
  let job: Heard['job'] = null
  let search: NonceSearch | null = null
  while (!ended.aborted) {
    if (heard.job !== job) {
      job = heard.job
      const work = parseNotify(job?.params)
      const difficulty = job?.difficulty ?? heard.difficulty
      const target = targetFromDifficulty(difficulty)
      const { versionMask } = heard
      search = work && searchNonces({ ...memory, ...session, work, target, versionMask })
      if (work) onEvent({ kind: 'job', jobId: work.jobId, difficulty })
      else onEvent({ kind: 'refused', request: 'mining.notify', reason: 'it is no job' })
    }
    const mayMine = search !== null && memory.unacknowledged.size < UNACKNOWLEDGED_MAX
    const found = mayMine && search ? search.next(turn) : null
    if (found && job) {
      const share = { ...found, difficulty: job.difficulty }
      onEvent({ kind: 'share', hash: share.hash, difficulty: share.difficulty })
      memory.unacknowledged.set(share.hash, share)
      void submit(client, options, memory, share)
    }
    if (mayMine && rate === null) await yieldOnce()
    else await sleep(pauseMs, undefined, { signal: ended }).catch(() => {})
  }
}

async function submit(
  client: StratumClient,
  { user, onEvent }: MinerOptions,
  { unacknowledged }: Memory,
  { hash, params, difficulty }: Share,
): Promise<void> {
  const reply = await client.request('mining.submit', [user, ...params])
  if (reply.kind === 'gone') return
  unacknowledged.delete(hash)
  if (reply.kind === 'result') onEvent({ kind: 'accepted', hash, difficulty })
  else onEvent({ kind: 'rejected', hash, reason: reply.reason })
}
