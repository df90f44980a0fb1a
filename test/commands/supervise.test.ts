import { afterEach, expect, test } from 'vitest'
import { supervise } from '../../src/commands/supervise.ts'
import { createLog } from '../../src/lib/log.ts'
import { pollUntil } from '../../src/lib/poll.ts'

const NODE = process.execPath
const IDLE = ['-e', "process.once('disconnect', () => process.exit()); setInterval(() => {}, 1000)"]
afterEach(() => {
  process.execPath = NODE
})

const idle = () =>
  supervise({ name: 'idle', args: IDLE, environment: {}, log: createLog('test', 'silent') })

test('a child that could not be started is tried again, and ends nobody', async () => {
  process.execPath = '/nowhere/node'
  const child = idle()
  await pollUntil(() => !child.alive() || null, { everyMs: 5, timeoutMs: 45_000 })
  expect(child.alive()).toBe(false)
  process.execPath = NODE
  await pollUntil(() => child.alive() || null, { everyMs: 5, timeoutMs: 45_000 })
  expect(child.alive()).toBe(true)
  await child.stop()
  expect(child.alive()).toBe(false)
})

test('stopping ends also where no child could be started', async () => {
  process.execPath = '/nowhere/node'
  await idle().stop()
})
