import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIRMWARES, playFirmware } from '../../src/devnet/index.ts'
import { runCommand } from '../commands/child.ts'
import { firmwareScene } from './scene.ts'

let scene: Awaited<ReturnType<typeof firmwareScene>>
beforeAll(async () => {
  scene = await firmwareScene()
})
afterAll(() => scene.remove())

const USER = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.rig'
/** Some wishes come with the next job, which is up to half a minute away. */
const WISHES_MS = 120_000
/** These want a difficulty at which no test finds a share. */
const RENTED = ['NiceHash']

const target = (name: string) => ({
  ...{ host: '127.0.0.1', user: USER, password: 'x', hashesMax: 2 ** 20, patienceMs: 60_000 },
  port: RENTED.includes(name) ? scene.rentedPort : scene.easyPort,
})

describe('against the stratum role', () => {
  for (const firmware of FIRMWARES)
    test(
      `${firmware.name} mines, emulated`,
      async () => {
        const { steps } = await playFirmware(firmware, target(firmware.name))
        const wrong = steps.filter(({ outcome }) => outcome.kind === 'failed')
        expect(wrong).toEqual([])
        const skipped = steps.filter(({ outcome }) => outcome.kind === 'skipped')
        expect(skipped.length).toBe(RENTED.includes(firmware.name) ? 1 : 0)
      },
      WISHES_MS,
    )
})

/** It wants work before anybody is named, which a coinbase of the finder's cannot have. */
const NAMELESS = 'Braiins market prober'

describe('where coinbases pay their finder', () => {
  for (const firmware of FIRMWARES.filter(({ name }) => !RENTED.includes(name)))
    test(
      `${firmware.name} ${firmware.name === NAMELESS ? 'buys nothing' : 'mines'}, emulated`,
      async () => {
        const patienceMs = firmware.name === NAMELESS ? 1000 : 60_000
        const at = { ...target(firmware.name), port: scene.finderPort, patienceMs }
        const { steps } = await playFirmware(firmware, at)
        const failed = steps.flatMap(({ title, outcome }) =>
          outcome.kind === 'failed' ? title : [],
        )
        const nameless = 'wants difficulty and job directly, before it authorizes anybody'
        expect(failed).toEqual(firmware.name === NAMELESS ? [nameless] : [])
      },
      WISHES_MS,
    )
})

describe('the doctor', () => {
  const doctor = (name: string) => {
    const at = `127.0.0.1:${scene.easyPort}`
    return runCommand(['doctor', '--stratum', at, '--user', USER, '--firmware', name])
  }
  test('prints what passed', async () => {
    const { code, stdout } = await doctor('braiins market prober')
    expect(stdout).toContain('ok   wants an extranonce2 of at least 7 bytes')
    expect(code).toBe(0)
  })
  test('prints what did not, why, and what was not reached', async () => {
    const { code, stdout } = await doctor('nicehash')
    expect(stdout).toMatch(
      /FAIL wants a difficulty of at least 500000: the difficulty is 0\.00\d+\n/,
    )
    expect(stdout).toContain('learnt from OCEAN-xyz/datum_gateway')
    expect(stdout).toContain('submits a share: not reached')
    expect(code).toBe(1)
  })
  test('says what it is called wrongly with', async () => {
    expect(await runCommand(['doctor'])).toMatchObject({ code: 2 })
    const { code, stderr } = await doctor('nobody')
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('minerd') })
  })
})

test('the README shows each of them, and says that they are emulated', () => {
  const page = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  const missing = FIRMWARES.filter(({ name }) => !page.includes(`| ${name} |`))
  expect(missing.map(({ name }) => name)).toEqual([])
  expect(page).toContain('emulated')
})

test('every step says where it was learnt', () => {
  for (const { steps } of FIRMWARES)
    for (const { source } of steps) expect(source).toMatch(/\w+[/.]\w+/)
})
