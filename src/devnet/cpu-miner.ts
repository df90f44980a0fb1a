import { parseArgs } from 'node:util'
import { startMiner } from './miner.ts'

const USAGE = `node src/devnet/cpu-miner.ts --url HOST:PORT --user NAME [--pass TEXT] [--rate N]
Mines at most about N hashes a second, or without --rate as fast as one core can.
`

/** A small miner as a process of its own. Prints what happens to it, one JSON object a line. */
const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    user: { type: 'string', default: '' },
    pass: { type: 'string', default: 'x' },
    rate: { type: 'string' },
  },
})
const [, host, port] = /^(?:stratum\+tcp:\/\/)?([^:/]+):(\d{1,5})$/.exec(values.url) ?? []
const hashesPerSecond = values.rate === undefined ? null : Number(values.rate)
const rateIsWrong = hashesPerSecond !== null && !(hashesPerSecond > 0)

if (host === undefined || values.user === '' || rateIsWrong) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  const miner = startMiner({
    host,
    port: Number(port),
    user: values.user,
    password: values.pass,
    hashesPerSecond,
    onEvent: event => process.stdout.write(`${JSON.stringify(event)}\n`),
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => miner.stop())
  // Whoever reads the events may go away first; then nobody is left to mine for.
  process.stdout.on('error', () => miner.stop())
}
