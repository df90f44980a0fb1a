import { readFile, stat } from 'node:fs/promises'
import { STATEMENT_BYTES_MAX } from '../statement/index.ts'
import { type Command, CommandError, orExplain, parseOptions, sayPlain } from './command.ts'
import { type NamedBytes, verifyFiles } from './verify-files.ts'

/** More files at once are refused: it is the longest window a reward looks back on, and some. */
const FILES_MAX = 25_000

/** Checks statements on this machine alone: no pool, no node and no network is asked. */
export const verifyCommand: Command = args =>
  orExplain(async () => {
    const { words } = parseOptions(args, [])
    if (words.length === 0) throw new CommandError('verify takes files of statements')
    if (words.length > FILES_MAX) throw new CommandError(`more than ${FILES_MAX} files`)
    const files: NamedBytes[] = []
    for (const name of words) files.push({ name, bytes: await readStatementFile(name) })
    const verdicts = verifyFiles(files)
    for (const { name, title, complaint, notes } of verdicts) {
      sayPlain(`${name}: ${title}: ${complaint ?? 'ok'}`)
      for (const note of notes) sayPlain(`  ${note}`)
    }
    return verdicts.every(({ complaint }) => complaint === null) ? 0 : 1
  })

async function readStatementFile(name: string): Promise<Uint8Array> {
  const found = await stat(name).catch(() => null)
  if (!found?.isFile()) throw new CommandError(`there is no file ${name}`)
  if (found.size > STATEMENT_BYTES_MAX) throw new CommandError(`${name} is too large`)
  return new Uint8Array(await readFile(name))
}
