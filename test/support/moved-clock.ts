import { readFileSync } from 'node:fs'

/**
 * Loaded before a process of the program (`--import`): its clocks, the machine's and the steady one,
 * go ahead of the true ones by as many milliseconds as a file says, so that minutes that count as a
 * proof need not be waited for.
 */
const file = process.env['SIDEPOOL_TEST_CLOCK'] ?? ''
const LOOK_MS = 50

let ahead = 0
const look = () => {
  ahead = Number(readFileSync(file, 'utf8'))
}
look()
setInterval(look, LOOK_MS).unref()

const [now, sinceStart] = [Date.now, performance.now.bind(performance)]
Date.now = () => now() + ahead
performance.now = () => sinceStart() + ahead
