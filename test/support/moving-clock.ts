import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PRELOAD = new URL('moved-clock.ts', import.meta.url)

/** A clock for processes of the program, which goes ahead when a test says so, and never back. */
export type MovingClock = {
  /** What a process needs in its environment to have it. */
  readonly environment: Readonly<Record<string, string>>
  readonly pass: (ms: number) => void
}

/** @param dir where it may leave a file */
export function movingClock(dir: string): MovingClock {
  const file = join(dir, 'clock-ahead-ms')
  let ahead = 0
  const write = () => {
    // By another name first, since who reads it meanwhile must not find half of it.
    writeFileSync(`${file}.new`, String(ahead))
    renameSync(`${file}.new`, file)
  }
  write()
  return {
    environment: { SIDEPOOL_TEST_CLOCK: file, NODE_OPTIONS: `--import=${PRELOAD.href}` },
    pass: ms => {
      ahead += ms
      write()
    },
  }
}
