import { pino } from 'pino'

/**
 * Structured log: one JSON line an event. Amounts and ids go in the fields, never secrets: keys
 * that could hold one are redacted whatever they hold.
 */
export type Log = {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

const SECRET_KEYS = ['password', 'macaroon', 'secret', 'authorization', 'privateKey', 'url']

/** @param level `silent` in tests that expect failures */
export function createLog(name: string, level: 'info' | 'warn' | 'silent' = 'info'): Log {
  const paths = SECRET_KEYS.flatMap(key => [key, `*.${key}`])
  return pino({ name, level, redact: { paths, censor: '[redacted]' } }, pino.destination(2))
}
