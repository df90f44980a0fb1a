import { setTimeout as sleep } from 'node:timers/promises'
import { unreachable } from '../../src/lib/assert.ts'
import { answerParent } from './child.ts'
import { type Look, question } from './load.ts'
import { median, quantile } from './report.ts'
import { type Rig, startRig, type Watch } from './rigs.ts'

/** Many miners in a process of their own. */
const PAYEE = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
/** Handshakes under way at once. */
const CONNECTING_MAX = 100
/** Latencies kept between two looks; later ones are only counted. */
const LATENCIES_MAX = 2_000_000
const PACE_EVERY_MS = 1
/** Connections of a flood, and bad shares in one write of one of them. */
const FLOODERS = 20
const BAD_SHARES_PER_WRITE = 50

const rigs: Rig[] = []
let idle: Rig[] = []
let isEager = false
let accepted = 0
let refused = 0
let latencies: number[] = []
let notifiedAt: number[] = []
let fullAt: number[] = []
let allNotified = Promise.withResolvers<void>()
let pace: NodeJS.Timeout | undefined

const watch: Watch = {
  answered(rig, isAccepted, tookMs) {
    if (isAccepted) accepted += 1
    else refused += 1
    if (latencies.length < LATENCIES_MAX) latencies.push(tookMs)
    if (isEager) rig.submit()
    else idle.push(rig)
  },
  notified(atMs, isFull) {
    // The first of each are what is waited for, since no rig has its second before all have one.
    if (notifiedAt.length < rigs.length) notifiedAt.push(atMs)
    if (isFull && fullAt.length < rigs.length) fullAt.push(atMs)
    if (fullAt.length === rigs.length) allNotified.resolve()
  },
}

async function connectAll(port: number, connections: number): Promise<void> {
  const first = rigs.length
  let next = first
  const connectSome = async () => {
    while (next < first + connections) {
      const name = `${PAYEE}.r${next++}`
      rigs.push(await startRig(port, name, watch))
    }
  }
  await Promise.all(Array.from({ length: CONNECTING_MAX }, connectSome))
  idle = [...rigs]
}

function submit(perSecond: number | null): void {
  isEager = perSecond === null
  if (perSecond === null) {
    const all = idle
    idle = []
    for (const rig of all) rig.submit()
    return
  }
  const from = performance.now()
  let sent = 0
  pace = setInterval(() => {
    const due = Math.floor(((performance.now() - from) / 1000) * perSecond)
    // Taken from the front, so that all rigs take turns.
    const some = idle.splice(0, due - sent)
    sent += some.length
    for (const rig of some) rig.submit()
  }, PACE_EVERY_MS)
}

let flooded = 0

function flood(port: number, linesPerSecond: number): void {
  const silent: Watch = { answered() {}, notified() {} }
  const flooders: (Rig | null)[] = Array.from({ length: FLOODERS }, () => null)
  const from = performance.now()
  for (const index of flooders.keys()) void keepConnected(index)
  setInterval(() => {
    const due = Math.floor(((performance.now() - from) / 1000) * linesPerSecond) - flooded
    let writes = Math.floor(due / BAD_SHARES_PER_WRITE)
    for (const rig of flooders) {
      if (writes <= 0 || !rig?.isOpen()) continue
      rig.submitBad(BAD_SHARES_PER_WRITE)
      flooded += BAD_SHARES_PER_WRITE
      writes -= 1
    }
  }, PACE_EVERY_MS)

  async function keepConnected(index: number): Promise<void> {
    for (;;) {
      const rig = await startRig(port, `${PAYEE}.f${index}`, silent).catch(() => null)
      flooders[index] = rig
      while (rig?.isOpen()) await sleep(PACE_EVERY_MS)
    }
  }
}

function look(): Look {
  const seen = { accepted, refused }
  const times = latencies
  accepted = 0
  refused = 0
  latencies = []
  if (times.length === 0) return { ...seen, p50Ms: null, p99Ms: null, maxMs: null }
  return { ...seen, p50Ms: median(times), p99Ms: quantile(times, 0.99), maxMs: quantile(times, 1) }
}

answerParent(question, async asked => {
  switch (asked.kind) {
    case 'connect':
      await connectAll(asked.port, asked.connections)
      return {}
    case 'submit':
      submit(asked.perSecond)
      return {}
    case 'look':
      return look()
    case 'expect notifies':
      notifiedAt = []
      fullAt = []
      allNotified = Promise.withResolvers()
      return {}
    case 'notifies':
      await allNotified.promise
      return { at: notifiedAt, fullAt }
    case 'flood':
      flood(asked.port, asked.linesPerSecond)
      return {}
    case 'flooded':
      return { lines: flooded }
    case 'quiet':
      clearInterval(pace)
      isEager = false
      return {}
    default:
      return unreachable(asked)
  }
})
