import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { operatorKeyOf } from '../../src/approval/index.ts'
import { CommandError } from '../../src/commands/command.ts'
import { enforcedRules, type Setting } from '../../src/commands/role.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { systemClock } from '../../src/lib/time.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { configFile } from './config-file.ts'

let database: TestDatabase
let file: Awaited<ReturnType<typeof configFile>>
beforeAll(async () => {
  database = await testDatabase()
  file = await configFile(database)
})
afterAll(async () => {
  await file.remove()
  await database.drop()
})

/** Starts with the configuration as the file has it, after a change. */
async function startWith(change: (policy: Record<string, unknown>) => void) {
  const config = JSON.parse(await readFile(file.path, 'utf8'))
  change(config.treasury.policy)
  await writeFile(file.path, JSON.stringify(config))
  const outcome = loadConfig(file.path)
  if (outcome.kind !== 'config') throw new Error('the configuration is right')
  const setting: Setting = {
    config: outcome.config,
    ...{ db: database.db, databaseUrl: database.appUrl },
    ...{ clock: systemClock, random: systemRandom, log: createLog('test', 'silent') },
  }
  return enforcedRules(setting)
}

test('changed rules need a higher version, and a start without one says so', async () => {
  const rules = await startWith(() => {})
  expect(rules.auto?.poolKey).toBe(operatorKeyOf(new Uint8Array(32).fill(6)))
  await startWith(() => {})
  const changed = startWith(policy => Object.assign(policy, { auto: null }))
  await expect(changed).rejects.toThrow(CommandError)
  await expect(startWith(() => {})).rejects.toThrow('raise the version')
  expect(await startWith(policy => Object.assign(policy, { version: 2 }))).toMatchObject({
    version: 2,
    auto: null,
  })
})
