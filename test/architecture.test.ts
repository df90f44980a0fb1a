import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '../src')

/** Who may import whom; `lib` is open to all. ARCHITECTURE.md says the same in words. */
const MAY_ENTER: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  statement: [],
  ledger: [],
  approval: [],
  treasury: ['approval'],
  bmm: [],
  pool: ['statement'],
  payouts: ['statement', 'ledger', 'approval', 'treasury', 'bmm', 'pool (types)'],
  bridges: ['ledger', 'approval', 'treasury', 'bmm'],
  signer: ['approval'],
}
const TOP = ['commands', 'main.ts', 'config.ts']
const KNOW_ALL = ['api', 'devnet', ...TOP]

type Import = { from: string; to: string; typesOnly: boolean }

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const pattern = /(?:^|\n)(?:import|export)(\s+type)?\s[^'"]*?from\s+'(\.[^']+)'/g
  const target = (path = '') => relative(SRC, normalize(join(dirname(file), path)))
  const from = relative(SRC, file)
  const late = [...text.matchAll(/\bimport\('(\.[^']+)'\)/g)].map(([, path]) => ({
    ...{ from, to: target(path), typesOnly: false },
  }))
  const first = [...text.matchAll(pattern)].map(([whole, type, path]) => ({
    ...{ from, to: target(path) },
    typesOnly: type !== undefined || /\{[^}]*\}/.exec(whole)?.[0].split(',').every(isType) === true,
  }))
  return [...first, ...late]
}

const isType = (name: string) => /^[{\s]*(type\s|[}\s]*$)/.test(name)
const roomOf = (path: string) => path.split('/')[0] ?? ''

function complaint({ from, to, typesOnly }: Import): string | null {
  const [here, there] = [roomOf(from), roomOf(to)]
  if (here === there) {
    return to === `${here}/index.ts` ? `${from}: a room's own files do not use its door` : null
  }
  if (there === 'lib') {
    const pure = ['assert', 'bytes', 'ids', 'money', 'bitcoin/target'].map(name => `lib/${name}.ts`)
    if (here === 'statement' && !pure.includes(to)) return `${from}: statement stands on pure lib`
    return null
  }
  // The top: the commands and what they share have no doors among themselves.
  if (TOP.includes(here) && TOP.includes(there)) return null
  if (to !== `${there}/index.ts`) return `${from}: enters ${there} by the window (${to})`
  if (KNOW_ALL.includes(here)) return null
  const doors = MAY_ENTER[here] ?? []
  if (doors.includes(there)) return null
  if (doors.includes(`${there} (types)`) && typesOnly) return null
  return `${from}: ${here} may not import ${to}`
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map(path => join(SRC, path))

test('every import goes through a door that its room may enter', () => {
  const complaints = sources.flatMap(importsOf).map(complaint).filter(Boolean)
  expect(complaints).toEqual([])
})

test('the import rules refuse a wrong room, a window and a value where only types may pass', () => {
  const wrong: Import[] = [
    { from: 'pool/job.ts', to: 'payouts/index.ts', typesOnly: true },
    { from: 'payouts/credit.ts', to: 'ledger/journal.ts', typesOnly: true },
    { from: 'payouts/credit.ts', to: 'pool/index.ts', typesOnly: false },
    { from: 'pool/job.ts', to: 'pool/index.ts', typesOnly: true },
    { from: 'statement/codec.ts', to: 'lib/db/database.ts', typesOnly: true },
  ]
  for (const each of wrong) expect(complaint(each)).toBeTypeOf('string')
  expect(complaint({ from: 'payouts/credit.ts', to: 'pool/index.ts', typesOnly: true })).toBeNull()
})

/** What runs beside our program where the keys are; one more is one more to trust (decision 23). */
const PACKAGES_BY_KEYS = [
  '@bitcoinerlab/descriptors',
  '@noble/curves',
  '@noble/hashes',
  'bech32',
  'bip32',
  'bitcoinjs-lib',
  'lightning',
  'pino',
  'tiny-secp256k1',
  'zod',
]

/** What a file has loaded before its first line runs, as it names it. */
function loadedFirst(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const statements = /^(?:import|export)(?!\s+type\b)(?:\s[^'"]*?from)?\s+'([^']+)'/gm
  return [...text.matchAll(statements)].map(([, name = '']) => name)
}

const packageOf = (name: string) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? ''

test('a process that holds keys has no other room in it, and no client of a database', () => {
  const verbs = ['commands/signer-run.ts', 'commands/signer-keys.ts']
  const files = new Set(['main.ts', 'commands/signer.ts', ...verbs])
  const packages = new Set<string>()
  for (const file of files)
    for (const name of loadedFirst(file)) {
      if (name.startsWith('.')) files.add(normalize(join(dirname(file), name)))
      else if (!name.startsWith('node:')) packages.add(packageOf(name))
    }
  const rooms = new Set([...files].map(roomOf))
  expect([...rooms].toSorted()).toEqual(['approval', 'commands', 'lib', 'main.ts', 'signer'])
  expect([...packages].toSorted()).toEqual(PACKAGES_BY_KEYS)
})
