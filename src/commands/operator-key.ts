import { isPrivate } from 'tiny-secp256k1'
import { type OperatorKey, operatorKeyOf } from '../approval/index.ts'
import { assert } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import { CommandError } from './command.ts'
import { readSecret, writeSecret } from './secret-file.ts'

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
  await writeSecret(path, secret)
  return operatorKeyOf(secret)
}

/** @throws CommandError where others could have read it too, or it is no key */
export async function readOperatorSecret(path: string): Promise<Uint8Array> {
  const secret = await readSecret(path)
  if (!isPrivate(secret))
    throw new CommandError(`${path} holds no key as treasury keygen writes it`)
  return secret
}
