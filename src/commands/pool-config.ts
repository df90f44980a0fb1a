import { type Config, loadConfig } from '../config.ts'
import { CommandError, needOption } from './command.ts'

/** The pool's configuration, or one error that lists everything wrong with it. */
export function requireConfig(given: string | undefined): Config {
  const path = needOption(given, '--config FILE')
  const outcome = loadConfig(path)
  if (outcome.kind === 'config') return outcome.config
  const lines = outcome.errors.map(error => `  ${error.path}: ${error.message}`)
  throw new CommandError(`${path} cannot be used:\n${lines.join('\n')}`)
}
