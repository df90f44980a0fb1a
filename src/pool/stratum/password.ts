import { log2AtLeast } from '../vardiff.ts'

/** What is beyond is not looked at. */
const PASSWORD_CHARS_MAX = 256
/** Entries of a password; what is beyond is not looked at. */
const ENTRIES_MAX = 16
/** Digits before and after the point; `1e9`, signs and spaces are no number here. */
const NUMBER = /^\d{1,20}(?:\.\d{1,20})?$/

/** What a miner asks for where its firmware has no other field. Difficulties are exponents of 2. */
export type PasswordWishes = {
  /** From `d=` or `diff=`: where to begin. Rounded up to a power of two, as all of these. */
  readonly wishLog2: number | null
  /** From `md=`: never go below. */
  readonly minimumLog2: number | null
}

/**
 * Reads a password such as `x`, `d=1024` or `x,md=16`: entries are separated by commas, semicolons
 * or spaces; of two for one thing the first counts; what is not known is for another pool.
 *
 * @param password kept nowhere
 */
export function readPassword(password: string): PasswordWishes {
  const entries = password.slice(0, PASSWORD_CHARS_MAX).split(/[,;\s]/, ENTRIES_MAX)
  const difficultyOf = (...names: readonly string[]) => {
    const values = entries.flatMap(entry => {
      const [name, value] = entry.split('=', 2)
      return name !== undefined && names.includes(name) ? [readDifficulty(value)] : []
    })
    return values.find(value => value !== null) ?? null
  }
  return { wishLog2: difficultyOf('d', 'diff'), minimumLog2: difficultyOf('md') }
}

/** A number, or one that firmware wrote as text; null for anything else. */
export function readDifficulty(value: unknown): number | null {
  if (typeof value === 'number') return log2AtLeast(value)
  return typeof value === 'string' && NUMBER.test(value) ? log2AtLeast(Number(value)) : null
}
