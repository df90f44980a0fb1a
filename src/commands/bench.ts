import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Command, CommandError, orExplain, parseOptions, say } from './command.ts'

const FOLDER = join(import.meta.dirname, '../../bench')

/** The measurements in the order in which all of them run; each is a file of the folder. */
const MEASUREMENTS = [
  'shares',
  'handshakes',
  'latency',
  'flood',
  'connections',
  'notify',
  'template',
  'accounting',
  'audit',
  'planning',
  'thunder',
  'lightning',
  'faults',
  'fuzz',
  'churn',
] as const

/** What miners feel: these by one name. */
const STRATUM = ['shares', 'handshakes', 'latency', 'flood', 'connections', 'notify'] as const

type Measurement = (typeof MEASUREMENTS)[number]

/** Measures this machine with the pool's real parts. What was found is in bench/RESULTS.md. */
export const benchCommand: Command = args =>
  orExplain(async () => {
    const { words } = parseOptions(args, [])
    if (words.length > 1) throw new CommandError('bench takes one name, or none for all')
    for (const name of chosen(words[0])) {
      say(`\n${name}`)
      const code = await runMeasurement(name)
      if (code !== 0) return code
    }
    return 0
  })

function chosen(name: string | undefined): readonly Measurement[] {
  if (name === undefined) return MEASUREMENTS
  if (name === 'stratum') return STRATUM
  const known = MEASUREMENTS.find(each => each === name)
  if (!known)
    throw new CommandError(`no measurement is called ${name}; there are ${MEASUREMENTS.join(', ')}`)
  return [known]
}

/** In a process of its own, which removes what it made also when it is asked to stop. */
async function runMeasurement(name: Measurement): Promise<number> {
  const child = spawn(process.execPath, [join(FOLDER, `${name}.ts`)], { stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGINT', pass).on('SIGTERM', pass)
  const [code] = await once(child, 'exit')
  process.off('SIGINT', pass).off('SIGTERM', pass)
  return typeof code === 'number' ? code : 1
}
