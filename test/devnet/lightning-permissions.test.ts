import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LND_PAY_METHODS, LND_READ_METHODS } from '../../src/devnet/lightning-permissions.ts'

const page = readFileSync(new URL('../../docs/lightning.md', import.meta.url), 'utf8')

test.each([
  ['read', LND_READ_METHODS],
  ['pay', LND_PAY_METHODS],
])('the macaroon that may %s allows what docs/lightning.md says', (name, methods) => {
  const lines = new RegExp(`sidepool-${name}\\.macaroon((?: \\\\\\n +uri:\\S+)+)`)
  const [, uris = ''] = lines.exec(page) ?? []
  const written = [...uris.matchAll(/uri:(\S+)/g)].map(([, method]) => method)
  expect([...methods].toSorted()).toEqual(written.toSorted())
})
