import { type MinerEvent, type MinerOptions, startMiner } from '../../src/devnet/miner.ts'

/** A miner inside a test. */
export type TestMiner = {
  /** All that happened so far. */
  readonly events: readonly MinerEvent[]
  /** The first event, past or to come, for which the check holds. Rejects after 30 s. */
  readonly until: <E extends MinerEvent>(check: (event: MinerEvent) => event is E) => Promise<E>
  readonly stop: () => Promise<void>
}

const WAIT_MS = 30_000
/** Enough for a share now and then, little enough to leave the processor to the test. */
const HASHES_PER_SECOND = 5000

/** Starts one against a pool on the loopback. Call its `stop` when done. */
export function testMiner(
  options: { readonly port: number; readonly user: string } & Partial<MinerOptions>,
): TestMiner {
  const events: MinerEvent[] = []
  const waiting = new Set<() => void>()
  const miner = startMiner({
    host: '127.0.0.1',
    password: 'x',
    hashesPerSecond: HASHES_PER_SECOND,
    ...options,
    onEvent: event => {
      events.push(event)
      for (const look of waiting) look()
    },
  })
  return {
    events,
    until: check =>
      new Promise((resolve, reject) => {
        const seen = events.map(({ kind }) => kind)
        const late = () => reject(new Error(`it did not happen, only: ${seen.join(', ')}`))
        const timer = setTimeout(late, WAIT_MS)
        const look = () => {
          const event = events.find(check)
          if (event === undefined) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve(event)
        }
        waiting.add(look)
        look()
      }),
    stop: miner.stop,
  }
}

/** For `until`: an event of that kind. */
export function ofKind<K extends MinerEvent['kind']>(kind: K) {
  return (event: MinerEvent): event is Extract<MinerEvent, { kind: K }> => event.kind === kind
}
