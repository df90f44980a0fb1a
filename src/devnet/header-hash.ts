import { createSHA256 } from 'hash-wasm'

/**
 * Makes the function that hashes 80-byte headers twice with SHA-256, in internal byte order. It
 * keeps one WebAssembly instance, which is what makes it fast enough to mine with.
 */
export async function createHeaderHash(): Promise<(header: Uint8Array) => Uint8Array> {
  const sha256 = await createSHA256()
  const hashOnce = (bytes: Uint8Array) => sha256.init().update(bytes).digest('binary')
  return header => hashOnce(hashOnce(header))
}
