import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApi } from '../../src/api/index.ts'
import { freezeActHash } from '../../src/approval/index.ts'
import { auditChecks, runCheck } from '../../src/commands/audit-checks.ts'
import { printLog } from '../../src/commands/treasury-log.ts'
import { unixMs } from '../../src/lib/ids.ts'
import { systemClock } from '../../src/lib/time.ts'
import { frozen } from '../../src/treasury/index.ts'
import { partsOn } from '../api/parts.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runCommand } from './child.ts'
import { configFile } from './config-file.ts'

let database: TestDatabase
let app: FastifyInstance
let dir: string
let config: Awaited<ReturnType<typeof configFile>>
let url: string
const keys: Record<string, string> = {}

beforeAll(async () => {
  database = await testDatabase()
  dir = await mkdtemp(join(tmpdir(), 'sidepool-people-'))
  config = await configFile(database)
  app = await buildApi(partsOn(database.db, { clock: systemClock }))
  url = await app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await app.close()
  await config.remove()
  await rm(dir, { recursive: true, force: true })
  await database.drop()
})

const treasury = (...args: readonly string[]) => runCommand(['treasury', ...args])
const key = (name: string) => ['--key', join(dir, `${name}.key`)]
const at = () => ['--api', url]
const token = (name: string) => ['--token-file', join(dir, `${name}.token`)]

async function keygen(name: string): Promise<string> {
  const made = await treasury('keygen', '--out', join(dir, `${name}.key`))
  const publicKey = made.stdout.trim()
  keys[name] = publicKey
  return publicKey
}

async function done(...args: readonly string[]): Promise<string> {
  const ran = await treasury(...args)
  expect(ran, args.join(' ')).toMatchObject({ code: 0 })
  return ran.stdout
}

test('the console lets a first admin in, who adds others, who log in', async () => {
  for (const name of ['ada', 'bob', 'carol']) await keygen(name)
  const invited = await treasury('first-admin', '--config', config.path)
  expect(invited.stdout).toMatch(/^[0-9a-f]{64}\n$/)
  const oneTime = join(dir, 'one-time')
  await writeFile(oneTime, invited.stdout)
  const join1 = ['join', '--alias', 'ada', ...key('ada'), ...at()]
  expect((await treasury(...join1)).stderr).toContain('--token-file')
  expect(await done(...join1, '--token-file', oneTime)).toContain('the pool took it')
  expect((await treasury(...join1, '--token-file', oneTime)).stdout).toContain('403')
  expect(await treasury('first-admin', '--config', config.path)).toMatchObject({ code: 1 })
  for (const name of ['bob', 'carol']) {
    const add = ['operator', 'add', name, '--roles', 'viewer,approver', '--public-key']
    const all = [...add, keys[name] ?? '', ...key('ada'), ...at()]
    expect((await treasury(...all)).stderr).toContain('no terminal')
    expect(await done(...all, '--yes')).toMatch(/roles: approver,viewer\n[\s\S]*notAfter: 20\d\d-/)
  }
  const out = join(dir, 'bob.token')
  await done('login', ...key('bob'), '--out', out, ...at())
  expect((await stat(out)).mode & 0o777).toBe(0o600)
  const list = await done('operators', ...at(), ...token('bob'))
  expect(list).toContain(`bob: approver, viewer\n  key ${keys['bob']}, good until `)
  const more = ['--scopes', 'operators,read', '--days', '1']
  const wide = await treasury('login', ...key('bob'), '--out', join(dir, 'x'), ...more, ...at())
  expect(wide).toMatchObject({ code: 1 })
  await expect(stat(join(dir, 'x'))).rejects.toThrow('ENOENT')
  await done('login', ...key('ada'), '--out', join(dir, 'ada.token'), ...more, ...at())
}, 300_000)

test('a key is renewed by its person, and nobody removes the last admin', async () => {
  const fresh = await keygen('carol2')
  const change = (...args: string[]) => ['operator', ...args, ...at(), '--yes']
  await done(...change('add-key', 'carol', '--public-key', fresh, ...key('carol')))
  const old = ['--public-key', keys['carol'] ?? '']
  await done(...change('revoke-key', 'carol', ...old, ...key('carol2')))
  const login = ['login', '--out', join(dir, 'never'), ...at()]
  expect((await treasury(...login, ...key('carol'))).stdout).toContain('403')
  const last = await treasury(...change('remove', 'ada', ...key('ada')))
  expect(last).toMatchObject({ code: 1 })
  expect(last.stdout).toContain('last admin')
  const roles = change('roles', 'bob', '--roles', 'admin,king', ...key('ada'))
  expect((await treasury(...roles)).stderr).toContain('roles')
}, 300_000)

test('one freezes, two lift, and the log tells it all in a chain', async () => {
  const because = ['--reason', 'odd transfers é']
  expect(await done('freeze', 'l1', ...because, ...key('bob'), ...at())).toMatch(/^freeze 1: l1/)
  expect(await frozen(database.db, 'l1')).toBe('frozen by bob: odd transfers é')
  const lift = ['unfreeze', '1', '--reason', 'looked', ...at(), ...token('bob'), '--yes']
  expect(await done(...lift, ...key('bob'))).toContain('one more person')
  expect(await treasury(...lift, ...key('bob'))).toMatchObject({ code: 1 })
  expect(await done(...lift, ...key('carol2'))).toContain('is lifted')
  expect(await frozen(database.db, 'l1')).toBeNull()
  const list = await done('freezes', ...at(), ...token('bob'))
  expect(list).toMatch(/^freeze 1 of l1: lifted; .* by bob: odd transfers \\u\{e9\}\n/)
  const log = await treasury('log', ...at(), ...token('bob'))
  expect(log.code).toBe(0)
  const lines = log.stdout.trimEnd().split('\n')
  const actions = lines.map(line => JSON.parse(line).action)
  expect(actions.slice(0, 3)).toEqual(['invite admin', 'first admin', 'add operator'])
  expect(actions.slice(-3)).toEqual(['freeze', 'unfreeze', 'unfreeze'])
  const { position, hash } = JSON.parse(lines.at(-1) ?? '')
  expect(log.stderr).toBe(`${position} ${hash}\n`)
  const rest = await done('log', '--after', '2', ...at(), ...token('bob'))
  expect(rest).toBe(`${lines.slice(2).join('\n')}\n`)
}, 300_000)

test('tokens are listed and revoked', async () => {
  const all = await done('tokens', ...at(), ...token('ada'))
  expect(all.split('\n')).toHaveLength(3)
  const number = /^token (\d+) of bob/m.exec(all)?.[1] ?? ''
  await done('revoke-token', number, ...at(), ...token('ada'))
  expect((await treasury('freezes', ...at(), ...token('bob'))).stdout).toContain('401')
}, 300_000)

test('no secret is in what was printed, logged or stored, and the audit is content', async () => {
  const secret = (await readFile(join(dir, 'bob.key'), 'utf8')).trim()
  const bearer = (await readFile(join(dir, 'bob.token'), 'utf8')).trim()
  const oneTime = (await readFile(join(dir, 'one-time'), 'utf8')).trim()
  const { db } = database
  const stored = JSON.stringify([
    await db.selectFrom('audit_events').select(['detail', 'subject']).execute(),
    await db.selectFrom('access_tokens').select('digest').execute(),
    await db.selectFrom('first_admin_tokens').select('digest').execute(),
  ])
  for (const each of [secret, bearer, oneTime]) expect(stored).not.toContain(each)
  for (const check of auditChecks(db, {
    retentionBlocks: 1000,
    network: 'regtest',
    now: systemClock.now(),
  }))
    if (/^(operators|events)/.test(check.name))
      expect((await runCheck(check)).complaints, check.name).toEqual([])
}, 300_000)

test('a log that was changed on its way is refused at that line', async () => {
  const made = await treasury('log', ...at(), ...token('ada'))
  const lines = made.stdout.trimEnd().split('\n')
  const lies = [
    (text: string) => text.replace('operator:bob', 'operator:eve'),
    (text: string) => text.split('\n').slice(1).join('\n'),
    (text: string) => text.replace(`${lines[3]}\n`, ''),
    (text: string) => `${text}{}\n`,
  ]
  for (const lie of lies) {
    const server = createServer((_request, response) => response.end(lie(made.stdout)))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    expect(await printLog(`http://127.0.0.1:${port}`, {}, '0')).toBe(1)
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}, 300_000)

test('nobody lifts another freeze than the one that the pool shows', async () => {
  const network = 'regtest'
  const theft = { kind: 'freeze', network, scope: 'all', reason: 'theft', at: unixMs(1) } as const
  const shown = { scope: 'l1', reason: 'books differ', by: null, operatorKey: null, atMs: 1 }
  const hash = freezeActHash({ ...theft, by: null })
  const items = [{ ...shown, freeze: '1', hash, holds: true, lifts: [] }]
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.end(JSON.stringify({ network, items }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const liar = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const lift = ['unfreeze', '1', '--reason', 'looked', ...key('bob'), ...token('bob'), '--yes']
  const ran = await treasury(...lift, '--api', liar)
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  expect(ran).toMatchObject({ code: 1 })
  expect(ran.stdout).toContain('another freeze than the pool shows')
  expect(asked.filter(each => each.startsWith('POST'))).toEqual([])
}, 300_000)
