import { open, readFile, stat } from 'node:fs/promises'
import { parseHex, toHex } from '../lib/bytes.ts'
import { CommandError } from './command.ts'

/** Whoever else can read or write a secret's file has the secret. */
const OTHERS = 0o077

/**
 * Writes a secret as hex for the owner's eyes only, and waits until the disk has it. A file that
 * is there stays as it is.
 */
export async function writeSecret(path: string, secret: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw new CommandError(`${path} is there and stays as it is`)
    throw new CommandError(`${path} cannot be written: ${error.message}`)
  })
  try {
    await file.writeFile(`${toHex(secret)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Reads a secret as another program wrote it.
 *
 * @throws CommandError where others could have read it too
 */
export async function readSecretBytes(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => null)
  if (!found?.isFile()) throw new CommandError(`there is no file ${path}`)
  if ((found.mode & OTHERS) !== 0)
    throw new CommandError(`${path} is open to others; chmod 600 ${path}, if it was not read yet`)
  return readFile(path)
}

/**
 * Reads 32 bytes of hex.
 *
 * @throws CommandError where others could have read them too, or it is something else
 */
export async function readSecret(path: string): Promise<Uint8Array> {
  const secret = parseHex(new TextDecoder().decode(await readSecretBytes(path)).trim())
  if (secret?.length !== 32) throw new CommandError(`${path} does not hold 32 bytes of hex`)
  return secret
}
