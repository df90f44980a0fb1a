import { log2AtLeast, log2Near } from '../vardiff.ts'

/** What is beyond is not looked at. */
const PASSWORD_CHARS_MAX = 256
/** Entries of a password; what is beyond is not looked at. */
const ENTRIES_MAX = 16
/** Digits before and after the point; `1e9`, signs and spaces are no number here. */
const NUMBER = /^\d{1,20}(?:\.\d{1,20})?$/

/** What a miner asks for where its firmware has no other field. Difficulties are exponents of 2. */
export type PasswordWishes = {
  /** From `d=` or `diff=`: where to begin. */
  readonly wishLog2: number | null
  /** From `md=`: never go below. Rounded up to a power of two. */
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
  const numberOf = (...names: readonly string[]) => {
    const values = entries.flatMap(entry => {
      const [name, value] = entry.split('=', 2)
      return name !== undefined && names.includes(name) ? [readNumber(value)] : []
    })
    return values.find(value => value !== null) ?? null
  }
  return { wishLog2: readWish(numberOf('d', 'diff')), minimumLog2: readMinimum(numberOf('md')) }
}

/** The difficulty nearest to a wish; null for what is no positive number. */
export function readWish(value: unknown): number | null {
  const number = readNumber(value)
  return number === null ? null : log2Near(number)
}

/** The least difficulty that is no easier; null for what is no positive number. */
export function readMinimum(value: unknown): number | null {
  const number = readNumber(value)
  return number === null ? null : log2AtLeast(number)
}

/** A number, or one that firmware wrote as text. */
function readNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  return typeof value === 'string' && NUMBER.test(value) ? Number(value) : null
}
