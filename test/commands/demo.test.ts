import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** The demo keeps what it makes in the folder where it is started. */
let folder: string
const children: ChildProcess[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sidepool-test-demo-'))
})
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function demo() {
  const child = spawn(process.execPath, [MAIN, 'demo'], { cwd: folder, stdio: 'pipe' })
  children.push(child)
  let text = ''
  const hears: (() => void)[] = []
  const hear = (chunk: Buffer) => {
    text += chunk.toString()
    for (const look of hears) look()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const ended = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const untilItSays = (words: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (text.includes(words)) resolve()
      }
      hears.push(look)
      look()
      void ended.then(() => reject(new Error(`it ended without saying so:\n${text}`)))
    })
  return { child, ended, untilItSays, text: () => text }
}

test('the demo is one at a time, survives its own crash, pays all miners, and leaves nothing running', async () => {
  const first = demo()
  await first.untilItSays('CPU miners of our own')
  const second = demo()
  expect(await second.ended).toBe(2)
  expect(second.text()).toContain('a demo is running already')
  first.child.kill('SIGKILL')
  await first.ended

  const again = demo()
  expect(await again.ended, again.text()).toBe(0)
  expect(again.text()).toContain('statements = ledger, and paid by ledger = got by its node')
  expect(again.text()).toMatch(/paid by transaction [0-9a-f]{64} on Thunder \(simulated\)/)
  expect(again.text()).toContain('Stopped.')
}, 900_000)
