import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand } from '../commands/child.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/treasury.md'), 'utf8')
/** What the page sets once, and the shell puts in. */
const AT = /^AT='(.*)'$/m.exec(PAGE)?.[1] ?? ''

/** Every call of ours on the page: lines of its blocks, and those within a sentence. */
const CALLS = [...PAGE.matchAll(/^\.\/sidepool .*$|(?<=`)\.\/sidepool [^`\n]*(?=`)/gm)].map(
  ([call]) => wordsOf(call.replace('$AT', AT)).slice(1),
)

test('each command on the page is one that the help knows, with its options', async () => {
  const main = (await runCommand(['help'])).stdout.replaceAll('./sidepool ', '')
  const helps = await Promise.all(
    ['treasury', 'signer'].map(async name => (await runCommand([name])).stderr),
  )
  const help = [main, ...helps].flatMap(text => text.split('\n').map(line => line.trim()))
  expect(CALLS.length).toBeGreaterThan(30)
  const complaints = CALLS.flatMap(call => complaintAbout(call, help) ?? [])
  expect(complaints).toEqual([])
})

/** Words as a shell sees them, where quotes hold some together. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word)
}

/** @param help lines such as `treasury show BATCH --api URL`; `…` is what the kind's last one says */
function complaintAbout(call: readonly string[], help: readonly string[]): string | null {
  const text = call.join(' ')
  const [room = '', verb = ''] = call
  const isOf = (line: string, ...words: string[]) =>
    words.every((word, at) => line.split(' ')[at] === word)
  const names = verb.startsWith('--') ? [room] : [room, verb]
  if (verb === 'operator') names.push(call[2] ?? '')
  const found = help.find(line => isOf(line, ...names))
  if (found === undefined) return `no help for: ${text}`
  const whole = found.includes('…') ? help.filter(line => isOf(line, room, verb)).join(' ') : found
  const options = call.filter(word => word.startsWith('--'))
  const unknown = options.find(option => !whole.split(/[^a-z-]+/).includes(option))
  return unknown ? `${unknown} is not known: ${text}` : null
}
