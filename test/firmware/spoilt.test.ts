import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIRMWARES, playFirmware } from '../../src/devnet/index.ts'
import { firmwareScene } from './scene.ts'
import {
  ifAnswer,
  ifMethod,
  type Line,
  type Spoil,
  spoilingProxy,
  withParam,
  withResult,
} from './spoiling-proxy.ts'

let scene: Awaited<ReturnType<typeof firmwareScene>>
beforeAll(async () => {
  scene = await firmwareScene()
})
afterAll(() => scene.remove())

const MASK: Line = { id: null, method: 'mining.set_version_mask', params: ['1fffe000'] }
const DIFFICULTY: Line = { id: null, method: 'mining.set_difficulty', params: [1] }
const longer = (bytes: number) => (half: unknown) => `${half}${'00'.repeat(bytes)}`
const coinbaseBy = (bytes: number) =>
  ifMethod('mining.notify', line => [withParam(line, 3, longer(bytes))])
const withoutError = ({ id, result }: Line) => [{ id, result }]
/** Once a connection, since what is repeated for ever never lets a client be. */
const atFirst = (spoil: Spoil): Spoil => {
  let isDone = false
  return line => {
    const lines = isDone ? [line] : spoil(line)
    isDone ||= lines.length !== 1 || lines[0] !== line
    return lines
  }
}

const cases: [firmware: string, pool: string, spoil: Spoil, why: RegExp][] = [
  [
    'minerd',
    'speaks before its subscribe result',
    atFirst(line => [DIFFICULTY, line]),
    /first line/,
  ],
  [
    'minerd',
    'has an extranonce2 of 0 bytes',
    ifAnswer(1, l => [withResult(l, 2, 0)]),
    /extranonce2/,
  ],
  [
    'minerd',
    'refuses who names nothing',
    ifAnswer(1, l => [{ ...l, result: null, error: [20] }]),
    /subscribe failed/,
  ],
  ['minerd', 'refuses its share', ifAnswer(4, l => [{ ...l, result: false }]), /share was refused/],
  [
    'cgminer',
    'answers an extension that was not asked for',
    ifAnswer(1, l => [{ ...l, result: { ...Object(l.result), 'minimum-difficulty': true } }]),
    /unexpected key/,
  ],
  [
    'cgminer',
    'has an extranonce2 of 12 bytes',
    ifAnswer(2, l => [withResult(l, 2, 12)]),
    /12 bytes/,
  ],
  [
    'cgminer',
    'says two difficulties before a job',
    ifMethod('mining.set_difficulty', l => [DIFFICULTY, l]),
    /two difficulties/,
  ],
  [
    'cgminer',
    'gives another extranonce1 to a session that comes back',
    secondSubscribe(),
    /late shares are lost/,
  ],
  [
    'bosminer',
    'rolls no version',
    ifAnswer(0, l => [{ ...l, result: { 'version-rolling': false } }]),
    /no version/,
  ],
  ['bosminer', 'sends a job twice', ifMethod('mining.notify', l => [l, l]), /pipeline/],
  ['AxeOS', 'sends a job twice', ifMethod('mining.notify', l => [l, l]), /duplicates/],
  [
    'AxeOS',
    'sends the content of a job under another id',
    ifMethod('mining.notify', l => [l, withParam(l, 0, id => `${id}f`)]),
    /duplicates/,
  ],
  [
    'AxeOS',
    'says a difficulty as text',
    ifMethod('mining.set_difficulty', l => [withParam(l, 0, String)]),
    /no number/,
  ],
  [
    'AxeOS',
    'has too many branches',
    ifMethod('mining.notify', l => [withParam(l, 4, () => Array(33).fill('00'.repeat(32)))]),
    /cannot be read/,
  ],
  ['AxeOS, old', 'says a mask first', atFirst(line => [MASK, line]), /crashes on a version mask/],
  ['AxeOS, old', 'leaves `error` out', ifAnswer(3, withoutError), /without `error`/],
  [
    'AxeOS, old',
    'says no difficulty first',
    ifMethod('mining.set_difficulty', () => []),
    /before its difficulty/,
  ],
  [
    'NerdMiner',
    'flattens its subscriptions',
    ifAnswer(1, l => [withResult(l, 0, ['mining.notify', 'a'])]),
    /\[0\]\[0\]\[1\]/,
  ],
  ['NerdMiner', 'has a coinbase of more than 255 bytes', coinbaseBy(100), /the coinbase has/],
  ['NerdMiner', 'sends a job of more than 4 KB', coinbaseBy(2000), /does not fit/],
  ['Antminer, stock', 'has a coinbase of more than 750 bytes', coinbaseBy(700), /the coinbase has/],
  ['Whatsminer', 'has a coinbase of more than 6500 bytes', coinbaseBy(6400), /the coinbase has/],
  [
    'Whatsminer',
    'has an extranonce2 of 9 bytes',
    ifAnswer(2, l => [withResult(l, 2, 9)]),
    /9 bytes/,
  ],
  [
    'Avalon',
    'refuses a name that was cut',
    ifAnswer(3, l => [{ ...l, result: null, error: [24] }]),
    /worker was refused/,
  ],
  ['NiceHash', 'is too easy', line => [line], /the difficulty is/],
  ['NiceHash', 'leaves `error` out', ifAnswer(3, withoutError), /without "error"/],
  ['NiceHash', 'has no room in extranonce2', ifAnswer(2, l => [withResult(l, 2, 4)]), /4 bytes/],
  [
    'MiningRigRentals',
    'heeds no wish',
    ifMethod('mining.set_difficulty', () => [{ ...DIFFICULTY, params: [2 ** -16] }]),
    /never came/,
  ],
  [
    'Braiins market prober',
    'has a short extranonce2',
    ifAnswer(1, l => [withResult(l, 2, 4)]),
    /4 bytes/,
  ],
  [
    'Braiins market prober',
    'has no work for strangers',
    ifMethod('mining.notify', () => []),
    /never came/,
  ],
  ['any client', 'is silent about what it does not know', ifAnswer(1, () => []), /no line within/],
]

describe('a client fails as its firmware would', () => {
  for (const [name, pool, spoil, why] of cases)
    test(`${name}, where the pool ${pool}`, async () => {
      const proxy = await spoilingProxy(scene.easyPort, spoil)
      const firmware = FIRMWARES.find(each => each.name === name)
      if (!firmware) throw new Error(`no client is called ${name}`)
      const report = await playFirmware(firmware, {
        ...{ host: '127.0.0.1', port: proxy.port, password: 'x' },
        user: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.rig',
        ...{ hashesMax: 2 ** 20, patienceMs: 3000 },
      })
      proxy.close()
      const failed = report.steps.flatMap(({ outcome }) =>
        outcome.kind === 'failed' ? [outcome.why] : [],
      )
      expect(failed).toEqual([expect.stringMatching(why)])
    })
})

/** Another extranonce1 with every second subscribe result. */
function secondSubscribe(): Spoil {
  let count = 0
  return ifAnswer(2, line => {
    count += 1
    return [count === 2 ? withResult(line, 1, 'ffffffff') : line]
  })
}
