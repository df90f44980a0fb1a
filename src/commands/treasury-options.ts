import { readFile } from 'node:fs/promises'
import { isPlainReason, REASON_CHARACTERS_MAX } from '../approval/index.ts'
import { CommandError } from './command.ts'

/** What follows `treasury NAME`. @returns the exit code */
export type Verb = (args: readonly string[]) => Promise<number>

const SEE_HELP = '`treasury` alone says how it is called'

/** An option that must be there. @param option as the help has it, for example `--key FILE` */
export function need(value: string | undefined, option: string): string {
  if (value === undefined || value === '')
    throw new CommandError(`${option} is missing; ${SEE_HELP}`)
  return value
}

export function expectWords(words: readonly string[], count: number): void {
  if (words.length !== count)
    throw new CommandError(`${count} word${count === 1 ? '' : 's'} expected; ${SEE_HELP}`)
}

/** `--yes` answers the question before it is asked. */
export function takeYes(args: readonly string[]): {
  readonly isSure: boolean
  readonly rest: readonly string[]
} {
  return { isSure: args.includes('--yes'), rest: args.filter(arg => arg !== '--yes') }
}

/** The bearer token, or one-time token, that a file holds. */
export async function readToken(path: string): Promise<string> {
  const token = await readFile(path, 'utf8').catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
  if (!/^[\x21-\x7e]{1,512}\s*$/.test(token)) throw new CommandError(`${path} holds no token`)
  return token.trim()
}

/** Whose coins are meant: those of the main chain unless something is said. */
export function parseRail(text: string | undefined): 'l1' | 'thunder' {
  if (text === undefined || text === 'l1') return 'l1'
  if (text === 'thunder') return 'thunder'
  throw new CommandError('--rail is l1 or thunder')
}

export function parseReason(text: string | undefined): string {
  const reason = need(text, '--reason TEXT')
  if (isPlainReason(reason)) return reason
  throw new CommandError(`a reason is at most ${REASON_CHARACTERS_MAX} plain characters`)
}

/** Digits as text: a row or an amount, that no float ever holds. @param option as the help has it */
export function parseDigits(text: string | undefined, option: string): string {
  if (text !== undefined && /^[1-9]\d{0,17}$/.test(text)) return text
  throw new CommandError(`${option} is a number`)
}

/** Days from 1 to `max`. */
export function parseDays(
  text: string | undefined,
  { usual, max }: { readonly usual: number; readonly max: number },
): number {
  if (text === undefined) return usual
  const days = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (days >= 1 && days <= max) return days
  throw new CommandError(`--days is a whole number from 1 to ${max}`)
}
