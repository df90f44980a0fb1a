import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const LINES_MAX = 300

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map(path => ({ path, text: readFileSync(join(ROOT, 'src', path), 'utf8') }))

/** Files that touch the world, by name; ARCHITECTURE.md says the same in words. */
function touchesTheWorld(path: string): boolean {
  if (/^(api|devnet|commands)\//.test(path)) return true
  if (/^(main|config)\.ts$/.test(path)) return true
  if (/^lib\/(time|random|log|queue|poll|free-port|other-process|db\/.*)\.ts$/.test(path))
    return true
  return /(-store|-client|-server|-source|-rail|-bridge|^jobs)\.ts$/.test(basename(path))
}

/** Packages that compute and do nothing else. */
const PURE_PACKAGES =
  /^(@bitcoinerlab\/descriptors|@noble\/(curves|hashes)|bech32|bip32|bitcoinjs-lib|ecpair|tiny-secp256k1|hash-wasm|zod)(\/|$)/

test('a pure file imports no clock, no socket, no database and no package that does', () => {
  const complaints = sources
    .filter(({ path }) => !touchesTheWorld(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/^(?:import|export)\s(?!type)[^'"]*?from\s+'([^.'][^']*)'/gm)]
        .map(match => match[1] ?? '')
        .filter(name => !PURE_PACKAGES.test(name))
        .map(name => `${path} imports ${name}`),
    )
  expect(complaints).toEqual([])
})

test('a pure file imports no file that touches the world but for its types', () => {
  const complaints = sources
    .filter(({ path }) => !touchesTheWorld(path) && !path.endsWith('index.ts'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/^import\s(?!type)([^'"]*?)from\s+'(\.[^']+)'/gm)]
        .filter(([, names]) => !/^\{(\s*type\s\w+,?)+\s*\}\s*$/.test(names ?? ''))
        .map(match => match[2] ?? '')
        .filter(to => touchesTheWorld(to.replace(/^(\.\.?\/)+/, '')))
        .map(to => `${path} imports ${to}`),
    )
  expect(complaints).toEqual([])
})

test('the clock and chance are read in one place each', () => {
  const complaints = sources
    .filter(({ path }) => path !== 'lib/time.ts' && path !== 'lib/random.ts')
    .filter(({ text }) => /Date\.now\(|new Date\(\)|Math\.random\(/.test(text))
    .map(({ path }) => path)
  expect(complaints).toEqual([])
})

test(`no file is longer than ${LINES_MAX} lines`, () => {
  const complaints = sources
    .filter(({ text }) => text.split('\n').length > LINES_MAX)
    .map(({ path }) => path)
  expect(complaints).toEqual([])
})
