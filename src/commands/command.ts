import { parseArgs } from 'node:util'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import { RpcError } from '../lib/nodes/rpc-error.ts'

/**
 * What one verb of `./sidepool` does with its arguments.
 *
 * @returns the exit code: 0 done, 1 failed, 2 not understood
 */
export type Command = (args: readonly string[]) => Promise<number>

/** Prints a line for a person. Logs go to standard error instead. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/**
 * Prints a line that holds words of strangers, with all but printable ASCII escaped: what a
 * terminal obeys or turns around must not make an operator read something else than there is.
 */
export function sayPlain(line: string): void {
  say(line.replace(/[^\x20-\x7e]/gu, asEscape))
}

function asEscape(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}

/** A message for whoever called a command wrongly, or for whom something is missing. */
export class CommandError extends Error {}

/** Text options by name; whatever else stands in the arguments is refused. */
export function parseOptions<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
): { readonly options: Partial<Record<Name, string>>; readonly words: readonly string[] } {
  const options = Object.fromEntries(names.map(name => [name, { type: 'string' as const }]))
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
    })
    return { options: values as Partial<Record<Name, string>>, words: positionals }
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error))
  }
}

/** An option that must be there. @param option as the help has it, for example `--key FILE` */
export function needOption(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new CommandError(`${option} is missing`)
  return value
}

/**
 * Ends a command that was called wrongly, or whose node does not do what it is asked, with a line
 * instead of a stack trace.
 */
export async function orExplain(act: () => Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof CommandError) {
      process.stderr.write(`${error.message}\n`)
      return 2
    }
    if (!(error instanceof RpcError || error instanceof NodeUnreachable)) throw error
    process.stderr.write(`the node: ${error.message}\n`)
    return 1
  }
}
