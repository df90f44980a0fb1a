import { bigintFromLe, reversed, toHex } from '../lib/bytes.ts'
import { headerFor, spreadOver, type Work } from './stratum-work.ts'

/** Of one extranonce2; small, so that every part of a share is seen to change. */
const NONCES_PER_EXTRANONCE2 = 2 ** 16

/** A header that meets the target, as `mining.submit` names it. */
export type Found = {
  /** As people write it: 64 hex digits, most significant byte first. */
  readonly hash: string
  /** Job, extranonce2, time, nonce and, where versions are rolled, the rolled bits; all but the job
   * in big-endian hex. */
  readonly params: readonly string[]
}

/** Goes through the choices of one job, a few at a time. */
export type NonceSearch = {
  /** The first find among so many choices, or null; the next call goes on after it. */
  readonly next: (hashes: number) => Found | null
}

/**
 * @param versionMask the bits that may be rolled; 0 for none
 * @param takeCounter a number never given before: it becomes the extranonce2 and the rolled bits,
 *   so that no share is found twice in a session
 * @param hash SHA-256 twice, internal order
 */
export function searchNonces(options: {
  readonly work: Work
  readonly target: bigint
  readonly extranonce1: Uint8Array
  readonly extranonce2Bytes: number
  readonly versionMask: number
  readonly takeCounter: () => number
  readonly hash: (bytes: Uint8Array) => Uint8Array
}): NonceSearch {
  const { work, target, versionMask, hash } = options
  const targetTop = Number(target >> 224n)
  let current = nextHeader(options)
  let nonce = 0

  function next(hashes: number): Found | null {
    for (let i = 0; i < hashes; i++) {
      if (nonce === NONCES_PER_EXTRANONCE2) {
        current = nextHeader(options)
        nonce = 0
      }
      const tried = nonce
      nonce += 1
      current.view.setUint32(76, tried, true)
      const result = hash(current.header)
      // One comparison of numbers rules out almost every hash without making a bigint.
      if (topOf(result) > targetTop || bigintFromLe(result) > target) continue
      const params = [work.jobId, current.extranonce2, hex8(work.time), hex8(tried)]
      if (versionMask !== 0) params.push(hex8(current.versionBits))
      return { hash: toHex(reversed(result)), params }
    }
    return null
  }
  return { next }
}

function nextHeader(options: Parameters<typeof searchNonces>[0]) {
  const { work, extranonce1, extranonce2Bytes, versionMask, takeCounter, hash } = options
  const counter = takeCounter()
  const digits = 2 * extranonce2Bytes
  const extranonce2 = counter.toString(16).padStart(digits, '0').slice(-digits)
  const versionBits = spreadOver(versionMask, counter)
  const choice = {
    extranonce1,
    extranonce2: Uint8Array.from(Buffer.from(extranonce2, 'hex')),
    // BIP 310: the pool's version outside the mask, the miner's bits inside.
    version: ((work.version & ~versionMask) | versionBits) >>> 0,
    time: work.time,
    nonce: 0,
  }
  const header = headerFor(work, choice, hash)
  return { header, view: new DataView(header.buffer), extranonce2, versionBits }
}

/** The most significant 32 bits of a hash in internal order. */
function topOf(hash: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = hash.subarray(28)
  return ((d << 24) | (c << 16) | (b << 8) | a) >>> 0
}

const hex8 = (value: number) => value.toString(16).padStart(8, '0')
