import { createInterface } from 'node:readline/promises'
import { CommandError } from './command.ts'

/** Asks on a terminal; without one nobody is asked, so nothing is signed. */
export async function askOnTerminal(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new CommandError('there is no terminal to ask on; --yes signs without asking')
  return /^y(es)?$/i.test(await answerTo(`${question} [y/N] `))
}

/** What a person types, where no file holds it. */
export async function typedOnTerminal(prompt: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CommandError('there is no terminal to type the token on; --token-file FILE holds it')
  return answerTo(prompt)
}

async function answerTo(prompt: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await lines.question(prompt)).trim()
  } finally {
    lines.close()
  }
}
