import { open, readFile, stat } from 'node:fs/promises'
import { isPrivate } from 'tiny-secp256k1'
import { assert } from '../lib/assert.ts'
import { parseHex, toHex } from '../lib/bytes.ts'
import type { Random } from '../lib/random.ts'
import { type OperatorKey, operatorKeyOf } from '../treasury/index.ts'
import { CommandError } from './command.ts'

/** Whoever else can read or write a key's file has the key. */
const OTHERS = 0o077

/**
 * Makes an operator's key and writes its secret, 32 bytes as hex, for the owner's eyes only.
 * A file that is there stays as it is.
 *
 * @returns the public key, for the pool's configuration
 */
export async function makeOperatorKey(path: string, random: Random): Promise<OperatorKey> {
  const secret = random.bytes(32)
  // One in 2^128 numbers is no key; nobody will ever see that.
  assert(isPrivate(secret), '32 random bytes are a key')
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
  return operatorKeyOf(secret)
}

/** @throws CommandError where others could have read it too, or it is no key */
export async function readOperatorSecret(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => null)
  if (!found?.isFile()) throw new CommandError(`there is no file ${path}`)
  if ((found.mode & OTHERS) !== 0)
    throw new CommandError(`${path} is open to others; chmod 600 ${path}, if it was not read yet`)
  const secret = parseHex((await readFile(path, 'utf8')).trim())
  if (secret?.length !== 32 || !isPrivate(secret))
    throw new CommandError(`${path} holds no key as treasury keygen writes it`)
  return secret
}
