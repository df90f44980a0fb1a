import {
  FIRMWARES,
  type FirmwareReport,
  isGreen,
  playFirmware,
  type StepOutcome,
} from '../devnet/index.ts'
import { unreachable } from '../lib/assert.ts'
import {
  type Command,
  CommandError,
  needOption,
  orExplain,
  parseOptions,
  say,
  sayPlain,
} from './command.ts'

const OPTIONS = ['stratum', 'user', 'password', 'firmware', 'hashes', 'patience'] as const
/** About ten seconds of one core; a share of a harder difficulty is left untried. */
const HASHES_DEFAULT = 2 ** 21
/** A pool makes a new job at least every 30 seconds, and some wishes come with the next one. */
const PATIENCE_S_DEFAULT = 45

/** Tries emulated clients against any pool, ours or not. */
export const doctorCommand: Command = args =>
  orExplain(async () => {
    const { options } = parseOptions(args, OPTIONS)
    const { host, port } = placeOf(options.stratum)
    const user = needOption(options.user, '--user NAME')
    const target = {
      ...{ host, port, user, password: options.password ?? 'x' },
      hashesMax: numberOf('hashes', options.hashes, HASHES_DEFAULT),
      patienceMs: 1000 * numberOf('patience', options.patience, PATIENCE_S_DEFAULT),
    }
    say(`${host}:${port}, by emulated clients: each does what its source code does`)
    let isWell = true
    for (const firmware of chosen(options.firmware)) {
      const report = await playFirmware(firmware, target)
      isWell &&= isGreen(report)
      sayReport(report)
    }
    return isWell ? 0 : 1
  })

function placeOf(text: string | undefined): { readonly host: string; readonly port: number } {
  const match = /^(?:stratum\+tcp:\/\/)?(.+):(\d{1,5})$/.exec(text ?? '')
  const [, host, port] = match ?? []
  if (host === undefined || port === undefined)
    throw new CommandError('--stratum HOST:PORT is missing')
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^\d{1,12}$/.test(text)) throw new CommandError(`--${name} is a whole number`)
  return Number(text)
}

function chosen(name: string | undefined) {
  if (name === undefined) return FIRMWARES
  const known = FIRMWARES.filter(each => each.name.toLowerCase() === name.toLowerCase())
  const names = FIRMWARES.map(each => each.name).join('; ')
  if (known.length === 0) throw new CommandError(`no client is called ${name}; there are ${names}`)
  return known
}

function sayReport({ name, steps }: FirmwareReport): void {
  say(`\n${name}`)
  for (const { title, source, outcome } of steps) {
    // A pool's own words may stand in it.
    sayPlain(`  ${MARKS[outcome.kind]} ${title}${reasonOf(outcome)}`.replaceAll('’', "'"))
    if (outcome.kind === 'failed') sayPlain(`      learnt from ${source}`)
  }
}

const MARKS = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip', 'not reached': '    ' } as const

function reasonOf(outcome: StepOutcome): string {
  switch (outcome.kind) {
    case 'passed':
      return ''
    case 'failed':
    case 'skipped':
      return `: ${outcome.why}`
    case 'not reached':
      return ': not reached'
    default:
      return unreachable(outcome)
  }
}
