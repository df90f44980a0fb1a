import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { openQueue, type Queue, type QueueStore } from '../../src/lib/queue.ts'
import { systemClock } from '../../src/lib/time.ts'

/** A real store of the queue, with what happens to it behind the queue's back. */
export type StoreUnderTest = {
  readonly store: QueueStore
  /** Empties it completely, as an operator's FLUSHALL or TRUNCATE would. */
  readonly flush: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** The suite's queues, one for each test or two, to be made before the store is opened. */
export const CONTRACT_QUEUES = Array.from({ length: 20 }, (_, i) => `contract-${i}`)

const EVERY_MS = 100
const HEARTBEAT_MS = 100
const WAIT = { everyMs: 10, timeoutMs: 45_000 }
const log = createLog('test', 'silent')

/** What every store of the queue must do. */
export function queueContract(storeName: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the queue on ${storeName}`, () => {
    let real: StoreUnderTest
    let queues: Queue[] = []
    const names = [...CONTRACT_QUEUES]

    beforeAll(async () => {
      real = await open()
    })
    afterEach(async () => {
      await Promise.all(queues.map(queue => queue.close()))
      queues = []
    })
    afterAll(() => real.stop())

    const nextName = () => {
      const name = names.pop()
      if (name === undefined) throw new Error('the contract needs more queues')
      return name
    }
    const opened = (name = nextName()) => {
      const options = { name, store: real.store, log, clock: systemClock }
      const queue = openQueue({ ...options, heartbeatMs: HEARTBEAT_MS })
      queues.push(queue)
      return queue
    }
    const until = async (condition: () => boolean, what: string) => {
      expect(await pollUntil(() => (condition() ? true : null), WAIT), what).toBe(true)
    }

    test('runs a job at once and then again and again', async () => {
      let runs = 0
      await opened().start([{ name: 'tick', everyMs: EVERY_MS, run: async () => void runs++ }])
      await until(() => runs >= 4, 'four runs')
    })

    test('runs a failing job again at its next time, and the others beside it', async () => {
      let failures = 0
      let runs = 0
      const fail = async () => {
        failures++
        throw new Error('as it sometimes does')
      }
      await opened().start([
        { name: 'fails', everyMs: EVERY_MS, run: fail },
        { name: 'works', everyMs: EVERY_MS, run: async () => void runs++ },
      ])
      await until(() => failures >= 3 && runs >= 3, 'three runs of each')
    })

    test('never runs a job beside itself in one process', async () => {
      let inside = 0
      let most = 0
      let runs = 0
      const gate = Promise.withResolvers<void>()
      const queue = opened()
      const run = async () => {
        most = Math.max(most, ++inside)
        if (++runs === 1) await gate.promise
        inside--
      }
      let beats = 0
      await queue.start([
        { name: 'slow', everyMs: EVERY_MS, run },
        { name: 'beat', everyMs: EVERY_MS, run: async () => void beats++ },
      ])
      await until(() => runs === 1 && beats >= 4, 'the slow one is inside while others run')
      gate.resolve()
      await until(() => runs >= 3, 'the slow one runs on')
      expect(most).toBe(1)
    })

    test('a wake runs a job long before its time, and ten wakes at once run it few times', async () => {
      let runs = 0
      const queue = opened()
      await queue.start([{ name: 'rare', everyMs: 3_600_000, run: async () => void runs++ }])
      await until(() => runs === 1, 'the first run')
      await Promise.all(Array.from({ length: 10 }, () => queue.wake('rare')))
      await until(() => runs >= 2, 'the woken run')
      let beats = 0
      const witness = opened()
      await witness.start([{ name: 'beat', everyMs: EVERY_MS, run: async () => void beats++ }])
      await until(() => beats >= 3, 'some time passed')
      expect(runs).toBeLessThan(10)
    })

    test('a wake during a run is followed by another run', async () => {
      const gate = Promise.withResolvers<void>()
      let runs = 0
      const queue = opened()
      const run = async () => {
        if (++runs === 1) await gate.promise
      }
      let beats = 0
      await queue.start([
        { name: 'rare', everyMs: 3_600_000, run },
        { name: 'beat', everyMs: EVERY_MS, run: async () => void beats++ },
      ])
      await until(() => runs === 1, 'the run is under way')
      await queue.wake('rare')
      const before = beats
      // The wake comes before these, so it has been picked up while the run is still inside.
      await until(() => beats >= before + 3, 'jobs after the wake')
      gate.resolve()
      await until(() => runs >= 2, 'the run that follows')
    })

    test('a wake from a process that runs no jobs reaches one that does', async () => {
      let runs = 0
      const name = nextName()
      await opened(name).start([{ name: 'rare', everyMs: 3_600_000, run: async () => void runs++ }])
      await until(() => runs === 1, 'the first run')
      await opened(name).wake('rare')
      await until(() => runs >= 2, 'the woken run')
    })

    test('after a flush in the middle of an interval the next run is not late', async () => {
      const everyMs = 1500
      const times: number[] = []
      const run = async () => void times.push(systemClock.now())
      const queue = opened()
      await queue.start([{ name: 'tick', everyMs, run }])
      await until(() => times.length >= 2, 'two runs')
      await real.flush()
      const flushed = times.length
      await until(() => times.length >= flushed + 2, 'two runs after the flush')
      const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
      // One interval and one heartbeat, and as much again for a busy machine.
      expect(Math.max(...gaps)).toBeLessThan(2 * (everyMs + HEARTBEAT_MS))
    })

    test('a start removes the schedules of vanished jobs', async () => {
      const name = nextName()
      const first = opened(name)
      let old = 0
      await first.start([{ name: 'old', everyMs: EVERY_MS, run: async () => void old++ }])
      await until(() => old >= 2, 'the old job runs')
      await first.close()
      let runs = 0
      const strangers: string[] = []
      const warn = (fields: object) => void strangers.push(JSON.stringify(fields))
      const spying = { ...log, warn }
      const second = openQueue({ name, store: real.store, log: spying, clock: systemClock })
      queues.push(second)
      await second.start([{ name: 'new', everyMs: EVERY_MS, run: async () => void runs++ }])
      const before = old
      await until(() => runs >= 5, 'the new job runs')
      expect(old).toBe(before)
      expect(strangers.filter(line => line.includes('"old"')).length).toBeLessThanOrEqual(1)
    })

    test('two processes share the runs, and the second goes on when the first closes', async () => {
      const name = nextName()
      const runs = [0, 0]
      const job = (index: number) => ({
        name: 'tick',
        everyMs: EVERY_MS,
        run: async () => {
          runs[index] = (runs[index] ?? 0) + 1
        },
      })
      const [first, second] = [opened(name), opened(name)]
      await Promise.all([first.start([job(0)]), second.start([job(1)])])
      await until(() => (runs[0] ?? 0) + (runs[1] ?? 0) >= 4, 'runs')
      await first.close()
      const before = runs[1] ?? 0
      await until(() => (runs[1] ?? 0) >= before + 3, 'the second goes on')
    })

    test('a close waits for the job that runs, and nothing runs afterwards', async () => {
      const gate = Promise.withResolvers<void>()
      const events: string[] = []
      const queue = opened()
      const run = async () => {
        events.push('begins')
        await gate.promise
        events.push('ends')
      }
      await queue.start([{ name: 'slow', everyMs: 3_600_000, run }])
      await until(() => events.length === 1, 'the job is inside')
      const closed = queue.close().then(() => events.push('closed'))
      let beats = 0
      const witness = opened()
      await witness.start([{ name: 'beat', everyMs: EVERY_MS, run: async () => void beats++ }])
      await until(() => beats >= 5, 'some time passed')
      expect(events).toEqual(['begins'])
      gate.resolve()
      await closed
      expect(events).toEqual(['begins', 'ends', 'closed'])
    })
  })
}
