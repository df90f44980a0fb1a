import { open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'

/** Source: SQLite, result codes. */
const SQLITE_BUSY = 5

/**
 * Takes the lock of a file for this process alone. The system itself holds it and gives it free
 * when its owner ends, however that ends, so no process ever judges whether another's is stale.
 *
 * A file with a process number in it was ruled out: of two that both find it stale, the slower one
 * removes the lock that the faster one has just made. Node has no `flock`, but its SQLite locks a
 * database file by the system's own means, and that is all that is used of it.
 *
 * @param path of a file beside what is locked; it stays, since removing it would bring that race back
 * @returns what gives it free, or null where it is taken
 */
export async function takeLock(path: string): Promise<(() => void) | null> {
  await makeEmpty(path)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // Without a journal nothing is ever written, and a crash leaves nothing to recover.
    database.exec('pragma journal_mode = off')
    // Two that ask at once for an exclusive lock can each keep the other from it: both hold the
    // shared one on the way there. A reserved lock is taken in one step, and one has it.
    database.exec('begin immediate')
  } catch (error) {
    database.close()
    if (isBusy(error)) return null
    throw error
  }
  return () => database.close()
}

/**
 * For the owner alone: whoever can read it can hold the lock. One that is there is not opened,
 * since closing it again would give free what this process holds of it.
 */
async function makeEmpty(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.close()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}
