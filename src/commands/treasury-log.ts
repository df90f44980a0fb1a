import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { checkLogLine, EVENTS_START } from '../treasury/index.ts'
import { CommandError, say, sayPlain } from './command.ts'

/** A line is an event and its two hashes; a longer one is not of this log. */
const LINE_CHARACTERS_MAX = 40_000
/** How long the pool may be silent before it is given up. */
const ANSWER_TIMEOUT_MS = 600_000

/**
 * Prints the log as it is, line by line, and checks its chain on the way: each line's hash, and
 * that it follows the line before. Where it ends goes to standard error.
 *
 * @param after the position after which it begins
 * @returns the exit code: 1 where the chain is broken
 */
export async function printLog(
  url: string,
  headers: Record<string, string>,
  after: string,
): Promise<number> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const request = { headers, signal, redirect: 'error' } as const
  const response = await fetch(`${url}/log?after=${after}`, request).catch(() => {
    throw new CommandError(`${url} does not answer`)
  })
  if (!response.ok || !response.body) {
    sayPlain(`${response.status}: the log is not shown`)
    return 1
  }
  let last: { position: bigint; hash: string } | null =
    after === '0' ? { position: 0n, hash: EVENTS_START } : null
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    const next = line.length > LINE_CHARACTERS_MAX ? null : checkLogLine(line, last)
    if (next === null) {
      sayPlain(`the chain is broken after position ${last?.position ?? after}`)
      return 1
    }
    say(line.replace(/[^\x20-\x7e]/g, asJsonEscape))
    last = next
  }
  process.stderr.write(`${last?.position ?? after} ${last?.hash ?? ''}\n`)
  return 0
}

/** Says the same in JSON, and is nothing that a terminal obeys. */
function asJsonEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
