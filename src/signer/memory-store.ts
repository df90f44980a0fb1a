import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/time.ts'
import { EMPTY_MEMORY, type Memory, MemoryTrouble, remember } from './memory.ts'
import {
  type ChainedEntry,
  entryAfter,
  MEMORY_LINE_BYTES_MAX,
  type MemoryEvent,
  readLine,
  writeLine,
} from './memory-entry.ts'
import { takeLock } from './memory-lock-store.ts'

/** Bytes read at once while a memory is loaded. */
const CHUNK_BYTES = 1 << 20
/** Entries folded at once while a memory is loaded. */
const FOLD_ENTRIES = 1000

/** The signer's memory on its disk. One process has it open; each event is on the disk before more. */
export type MemoryStore = {
  readonly memory: () => Memory
  /**
   * Adds an event and waits until the disk has it.
   *
   * @throws MemoryTrouble when it may not be there: what depends on it must not leave
   */
  readonly add: (event: MemoryEvent) => Promise<Memory>
  readonly close: () => Promise<void>
}

/**
 * Makes a memory. One that is there stays as it is: a memory is never made anew by accident, since
 * a fresh one has forgotten what was signed.
 *
 * @param name 32 bytes of chance in hex, so that no two memories have a head in common
 */
export async function createMemory(
  path: string,
  {
    network,
    name,
    clock,
  }: { readonly network: string; readonly name: string; readonly clock: Clock },
): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch(error => {
    throw new MemoryTrouble(`${path} cannot be made: ${messageOf(error)}`)
  })
  try {
    const event = { kind: 'started', network, name } as const
    await file.writeFile(`${writeLine(entryAfter(EMPTY_MEMORY.head, event, clock.now())).line}\n`)
    await file.sync()
    await syncFolder(path)
  } finally {
    await file.close()
  }
}

/**
 * Opens a memory for this process alone. A last line that a crash cut short is cut off: nothing
 * that it would have allowed ever left. Anything else that is not in order is trouble.
 */
export async function openMemory(path: string, clock: Clock): Promise<MemoryStore> {
  const unlock = await takeLock(`${path}.lock`).catch(error => {
    throw new MemoryTrouble(`${path}.lock cannot be used: ${messageOf(error)}`)
  })
  if (unlock === null) throw new MemoryTrouble('another process has this memory open')
  try {
    const file = await open(path, constants.O_RDWR | constants.O_APPEND).catch(error => {
      throw new MemoryTrouble(`${path} cannot be opened: ${messageOf(error)}`)
    })
    try {
      return await storeOn(file, { path, unlock, clock })
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    unlock()
    throw error
  }
}

async function storeOn(
  file: FileHandle,
  {
    path,
    unlock,
    clock,
  }: { readonly path: string; readonly unlock: () => void; readonly clock: Clock },
): Promise<MemoryStore> {
  let { memory, bytes } = await load(file, path)
  if (bytes < (await file.stat()).size) {
    await file.truncate(bytes)
    await file.sync()
  }
  await syncFolder(path)
  let broken: string | null = null

  async function add(event: MemoryEvent): Promise<Memory> {
    if (broken !== null) throw new MemoryTrouble(broken)
    // A second writer, or whoever replaced the file, would make two memories of one.
    const [own, named] = [await file.stat(), await stat(path).catch(() => null)]
    if (own.size !== bytes || named?.ino !== own.ino || named.dev !== own.dev) {
      broken = 'somebody else has changed the memory'
      throw new MemoryTrouble(broken)
    }
    // Times never fall, even where the clock was set back within its slack.
    const entry = entryAfter(memory.head, event, Math.max(clock.now(), memory.latest ?? 0))
    const { line, hash } = writeLine(entry)
    assert(line.length <= MEMORY_LINE_BYTES_MAX, 'a line is small enough to be read again')
    const written = new TextEncoder().encode(`${line}\n`)
    const added = remember(memory, [{ entry, hash }])
    assert(added.kind === 'memory', 'an entry of our own follows')
    try {
      await file.writeFile(written)
      await file.sync()
    } catch (error) {
      broken = await takenBack(file, bytes)
      throw new MemoryTrouble(`the memory cannot be written: ${messageOf(error)}`)
    }
    bytes += written.length
    memory = added.memory
    return memory
  }

  return {
    memory: () => memory,
    add,
    close: async () => {
      await file.close()
      unlock()
    },
  }
}

/** @returns null when the file is as before, else why it must be opened anew */
async function takenBack(file: FileHandle, bytes: number): Promise<string | null> {
  try {
    await file.truncate(bytes)
    await file.sync()
    return null
  } catch (error) {
    return `the memory could not be written and not be put right: ${messageOf(error)}`
  }
}

/** @returns the memory and the length of its whole lines */
async function load(file: FileHandle, path: string): Promise<{ memory: Memory; bytes: number }> {
  let memory = EMPTY_MEMORY
  let bytes = 0
  let waiting: ChainedEntry[] = []
  const fold = () => {
    const folded = remember(memory, waiting)
    if (folded.kind === 'broken')
      throw new MemoryTrouble(`${path}: entry ${folded.position} does not follow the one before`)
    memory = folded.memory
    waiting = []
  }
  for await (const line of linesOf(file)) {
    const entry = readLine(new TextDecoder().decode(line))
    if (entry === null) throw new MemoryTrouble(`${path}: the line at byte ${bytes} is not ours`)
    waiting.push(entry)
    if (waiting.length === FOLD_ENTRIES) fold()
    bytes += line.length + 1
  }
  fold()
  if (memory.head.position === 0) throw new MemoryTrouble(`${path} is empty`)
  return { memory, bytes }
}

/** Whole lines only, without their ends. */
async function* linesOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES)
  let rest = Buffer.alloc(0)
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    let text = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10)) {
      yield text.subarray(0, end)
      text = text.subarray(end + 1)
    }
    if (text.length > MEMORY_LINE_BYTES_MAX) throw new MemoryTrouble('a line is too long')
    rest = text
  }
}

/** A new or longer file is only sure to be there when its folder's entry is on the disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
