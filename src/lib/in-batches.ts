/** Items that wait while one run is under way; more are refused, as the run would be of no use. */
const WAITING_MAX = 20_000

type Waiting<Item, Result> = {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Collects what arrives while a run is under way into the next run, so that a thousand sessions
 * that come at once take a few commits and not a thousand.
 *
 * @param run gives a result for each item, in their order; when it throws, each item fails with that
 * @param batchMax items of one run
 * @returns hands an item in; rejected when its run threw, or when too many wait
 */
export function inBatches<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  batchMax: number,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = []
  let isRunning = false

  async function runAll(): Promise<void> {
    isRunning = true
    // The rest of this turn may still add to the first batch.
    await Promise.resolve()
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchMax)
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [index, { resolve, reject }] of batch.entries()) {
          const result = results[index]
          if (result === undefined) reject(new Error('a batch gave no result for an item'))
          else resolve(result)
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    isRunning = false
  }

  return item =>
    new Promise((resolve, reject) => {
      if (waiting.length >= WAITING_MAX) {
        reject(new Error('too much waits for the database'))
        return
      }
      waiting.push({ item, resolve, reject })
      if (!isRunning) void runAll()
    })
}
