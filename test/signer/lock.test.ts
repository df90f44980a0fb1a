import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/time.ts'
import { createMemory } from '../../src/signer/memory-store.ts'

const HOLDER = join(import.meta.dirname, 'hold-memory.ts')
const ROUNDS = 6
const HOLDERS = 4

let dir: string
let path: string
const children: ChildProcess[] = []
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sidepool-test-lock-'))
  path = join(dir, 'memory')
  await createMemory(path, { network: 'regtest', name: 'ab'.repeat(32), clock: systemClock })
})
afterEach(async () => {
  await Promise.all(children.splice(0).map(end))
  await rm(dir, { recursive: true, force: true })
})

/** A process that opens the memory when it is told to. */
async function holder() {
  const child = spawn(process.execPath, [HOLDER, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value
  expect(await next()).toBe('ready')
  return { child, open: () => child.stdin.write('go\n'), next }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

test('of processes that start at once over what a killed one left, exactly one has the memory', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const all = await Promise.all(Array.from({ length: HOLDERS }, holder))
    for (const { open } of all) open()
    const said = await Promise.all(all.map(({ next }) => next()))
    const others = Array.from({ length: HOLDERS - 1 }, () => 'another process has this memory open')
    expect(said.toSorted()).toEqual([...others, 'open'])
    // It is killed with the memory open, and its lock file stays.
    await Promise.all(all.map(({ child }) => end(child)))
    expect(statSync(`${path}.lock`).mode & 0o777).toBe(0o600)
  }
}, 120_000)
