import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** Where a measurement happens, and what is to be stopped after it. */
export type Scene = {
  /** A folder of its own, removed at the end; not under /tmp, which may be no disk at all. */
  readonly dir: string
  /** Remembers what to stop; the last one is stopped first, also when the measurement fails. */
  readonly keep: (stop: () => Promise<unknown>) => void
}

/** Runs one measurement and leaves nothing behind, however it ends. */
export async function measure(play: (scene: Scene) => Promise<void>): Promise<void> {
  const data = join(ROOT, '.data')
  await mkdir(data, { recursive: true })
  const dir = await mkdtemp(join(data, 'bench-'))
  const stops: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })]
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  process.on('SIGINT', resolve).on('SIGTERM', resolve)
  const stopped = asked.then(() => {
    process.exitCode = 130
  })
  try {
    await Promise.race([play({ dir, keep: stop => stops.push(stop) }), stopped])
  } finally {
    for (const stop of stops.reverse()) await stop().catch(() => {})
  }
  // Whatever an interrupted measurement still waits for has been stopped.
  process.exit()
}
