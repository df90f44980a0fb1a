import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApi } from '../../src/api/index.ts'
import { type Operator, operatorKeyOf, parseOperatorKey } from '../../src/approval/index.ts'
import { giveAct } from '../../src/commands/treasury-acts.ts'
import { treasuryClient } from '../../src/commands/treasury-client.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { batchId, digest, unixMs } from '../../src/lib/ids.ts'
import { decideBatch } from '../../src/payouts/index.ts'
import { partsOn } from '../api/parts.ts'
import { seedReader, tokenOfTests } from '../api/seed.ts'
import { POLICY } from '../payouts/l1-world.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { addPerson } from '../treasury/people.ts'
import { runCommand } from './child.ts'
import { configFile } from './config-file.ts'
import { OPERATOR_SECRET, START_MS, writeHistory } from './history.ts'

const APPROVER: Operator = {
  alias: 'one',
  roles: ['approver'],
  keys: [{ key: operatorKeyOf(OPERATOR_SECRET), notAfter: unixMs(START_MS * 2) }],
}
const clock = { now: () => unixMs(START_MS + 400_000) }
let dir: string
let keyFile: string
let tokenFile: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-treasury-'))
  keyFile = join(dir, 'key')
  tokenFile = join(dir, 'token')
  await writeFile(keyFile, toHex(OPERATOR_SECRET), { mode: 0o600 })
  await writeFile(tokenFile, `${tokenOfTests}\n`, { mode: 0o600 })
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** A pool's real API over a history whose batch 2 waits for the operator. */
async function withPool(act: (url: string, database: TestDatabase) => Promise<void>) {
  const database = await testDatabase()
  let app: FastifyInstance | null = null
  try {
    await writeHistory(database.db)
    await seedReader(database.db)
    await addPerson(database.db, 'one', ['approver'], [operatorKeyOf(OPERATOR_SECRET)])
    const policy = { ...POLICY, operators: [APPROVER], bands: [{ upTo: null, approvals: 1 }] }
    app = await buildApi(
      partsOn(database.db, {
        decide: async ({ batch, act: given, operatorKey, manifestHash, signature }) => {
          const operator = parseOperatorKey(operatorKey)
          if (!operator) return { kind: 'refused', reason: 'unknown operator' }
          const signed = { operator, act: given, manifestHash, signature }
          const parts = { clock }
          const verdict = await decideBatch(database.db, policy, { batch, act: signed }, parts)
          return verdict ?? { kind: 'unknown batch' }
        },
      }),
    )
    await act(await app.listen({ host: '127.0.0.1', port: 0 }), database)
  } finally {
    await app?.close()
    await database.drop()
  }
}

const atApi = (url: string) => ['--api', url, '--token-file', tokenFile]
const stateOf = async ({ db }: TestDatabase, batch: bigint) =>
  db.selectFrom('batches').select('state').where('id', '=', batch).executeTakeFirstOrThrow()

test('keygen writes a secret for its owner alone and prints its public key', async () => {
  const path = join(dir, 'new-key')
  const made = await runCommand(['treasury', 'keygen', '--out', path])
  expect(made).toMatchObject({ code: 0, stderr: '' })
  const text = await readFile(path, 'utf8')
  expect(text).toMatch(/^[0-9a-f]{64}\n$/)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(made.stdout).toBe(`${operatorKeyOf(fromHex(text.trim()))}\n`)
  const again = await runCommand(['treasury', 'keygen', '--out', path])
  expect(again).toMatchObject({ code: 2, stdout: '' })
  expect(await readFile(path, 'utf8')).toBe(text)
})

test('batches are listed and shown with every payee, amount, fee and anchor', () =>
  withPool(async url => {
    const list = await runCommand(['treasury', 'list', ...atApi(url)])
    expect(list).toMatchObject({ code: 0, stderr: '' })
    expect(list.stdout).toBe(
      'batch 2: planned, payout of 100000 sat by l1, approved by nobody, 3 needed\n' +
        'batch 1: settled, payout of 100000 sat by l1, approved by one, 3 needed\n',
    )
    const shown = await runCommand(['treasury', 'show', '1', ...atApi(url)])
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toContain('    0.00100000  bcrt1qminer1  (payouts 1)\n')
    expect(shown.stdout).toContain('at most 0.00005000 BTC')
    expect(shown.stdout).toMatch(/anchor {4}[0-9a-f]{64}:0\n/)
    expect(shown.stdout).toMatch(/built {5}[0-9a-f]{64}, fee 1000 sat, signed\n/)
    expect(shown.stdout).toContain(`approve by one, ${operatorKeyOf(OPERATOR_SECRET)}\n`)
    expect(shown.stdout).toContain('payout by l1 from the hot wallet: settled\n')
    const waiting = await runCommand(['treasury', 'show', '2', ...atApi(url)])
    expect(waiting.stdout).toMatch(
      /rule {6}approved by nobody, 3 needed; it has 0 of the 3 approvals it needs\n$/,
    )
    const missing = await runCommand(['treasury', 'show', '99', ...atApi(url)])
    expect(missing).toMatchObject({ code: 1, stdout: '404: there is no such batch\n' })
  }))

test('the rules in force are shown, with what of the day is spent', () =>
  withPool(async url => {
    const shown = await runCommand(['treasury', 'policy', ...atApi(url)])
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^policy 1, [0-9a-f]{64}\n {2}up to 1000 sat: 1 must approve\n/)
    expect(shown.stdout).toContain('  any amount: 3 must approve\n  the pool alone: nothing\n')
    expect(shown.stdout).toMatch(/of the day: \d+ sat, by the pool alone 0 sat\n$/)
  }))

test('rules in a file are tried on the last batches, and nothing is changed', async () => {
  const database = await testDatabase()
  await writeHistory(database.db)
  await addPerson(database.db, 'one', ['approver'], [operatorKeyOf(OPERATOR_SECRET)])
  const config = await configFile(database)
  const path = join(dir, 'rules.json')
  const rules = {
    version: 9,
    bands: [{ upToSats: null, approvals: 1 }],
    auto: null,
    limits: { perBatchSats: null, perDaySats: '105000', perDestinationPerDaySats: null },
    allowList: null,
  }
  const tried = (last: string) => {
    const args = ['--policy', path, '--last', last, '--config', config.path]
    return runCommand(['treasury', 'dry-run', ...args])
  }
  await writeFile(path, JSON.stringify(rules))
  const done = await tried('5')
  expect(done).toMatchObject({ code: 0, stderr: '' })
  const [first, second, sum] = done.stdout.split('\n')
  expect(first).toMatch(/^batch 1, \S+Z, 0\.00105000 BTC: needs 1, had one$/)
  expect(second).toMatch(/^batch 2, .*: refused, with it 210000 sat would leave within a day, /)
  expect(sum).toBe('2 batches: 0 by the pool alone, 1 by people, 1 refused')
  expect((await tried('1')).stdout).toMatch(/^batch 2, .* BTC: needs 1, had nobody: not enough\n/)
  expect(await tried('501')).toMatchObject({ code: 2, stdout: '' })
  await writeFile(path, JSON.stringify({ ...rules, bands: [] }))
  expect((await tried('5')).stderr).toContain('bands: ')
  expect(await stateOf(database, 2n)).toEqual({ state: 'planned' })
  expect(await database.db.selectFrom('policies').selectAll().execute()).toEqual([])
  await config.remove()
  await database.drop()
})

test('an approval is signed here and moves the batch; a second one is told so', () =>
  withPool(async (url, database) => {
    const args = ['treasury', 'approve', '2', '--key', keyFile, ...atApi(url)]
    const unasked = await runCommand(args)
    expect(unasked).toMatchObject({ code: 2 })
    expect(unasked.stderr).toContain('no terminal')
    expect(await stateOf(database, 2n)).toEqual({ state: 'planned' })
    const done = await runCommand([...args, '--yes'])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(/batch 2: approved\n$/)
    expect(await stateOf(database, 2n)).toEqual({ state: 'approved' })
    expect(done.stdout).not.toContain(toHex(OPERATOR_SECRET))
    expect(await runCommand([...args, '--yes'])).toMatchObject({ code: 1 })
  }))

test('a rejection is signed with its reason and releases the batch', () =>
  withPool(async (url, database) => {
    const args = ['treasury', 'reject', '2', '--key', keyFile, ...atApi(url), '--yes']
    expect(await runCommand(args)).toMatchObject({ code: 2 })
    const done = await runCommand([...args, '--reason', 'too late today'])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(await stateOf(database, 2n)).toEqual({ state: 'released' })
    const act = await database.db
      .selectFrom('approvals')
      .select(['act', 'reason'])
      .where('batch_id', '=', 2n)
      .executeTakeFirstOrThrow()
    expect(act).toEqual({ act: 'reject', reason: 'too late today' })
  }))

test('an expired batch, an ended one and a no are not signed', () =>
  withPool(async (url, database) => {
    const client = treasuryClient(url, tokenOfTests)
    const yes = async () => true
    const parts = { secret: OPERATOR_SECRET, clock, ask: yes }
    const late = { ...parts, clock: { now: () => unixMs(START_MS * 2) } }
    expect(await giveAct(client, '2', { kind: 'approve' }, late)).toBe(1)
    expect(await giveAct(client, '1', { kind: 'approve' }, parts)).toBe(1)
    const asked: string[] = []
    const no = async (question: string) => {
      asked.push(question)
      return false
    }
    expect(await giveAct(client, '2', { kind: 'approve' }, { ...parts, ask: no })).toBe(1)
    expect(asked).toEqual(['approve batch 2 on regtest?'])
    expect(await stateOf(database, 2n)).toEqual({ state: 'planned' })
    expect(await giveAct(client, '2', { kind: 'approve' }, parts)).toBe(0)
  }))

/** An API between the operator and the pool that changes what it is asked for. */
async function withLiar(
  url: string,
  lie: (reply: string) => string,
  act: (url: string, posted: string[]) => Promise<void>,
) {
  const posted: string[] = []
  const server: Server = createServer((request, response) => {
    if (request.method === 'POST') posted.push(request.url ?? '')
    const { authorization } = request.headers
    fetch(`${url}${request.url}`, authorization ? { headers: { authorization } } : {})
      .then(reply => reply.text())
      .then(text => response.end(lie(text)))
      .catch(error => response.destroy(error))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await act(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted)
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

const LIES: readonly (readonly [string, (reply: string) => string, RegExp])[] = [
  [
    'another payee than the hash is of',
    reply => reply.replace('bcrt1qminer2', 'bcrt1qfriend'),
    /^the manifest hashes to [0-9a-f]{64}, but the API says [0-9a-f]{64}\n$/,
  ],
  [
    'another amount than the hash is of',
    reply => reply.replace('"amountSats":"100000"', '"amountSats":"1000"'),
    /^the manifest hashes to/,
  ],
  [
    "another batch's hash",
    reply => reply.replace(/"manifestHash":"[0-9a-f]{64}"/, `"manifestHash":"${'0'.repeat(64)}"`),
    /^the manifest hashes to/,
  ],
  [
    'a manifest of another batch',
    reply => reply.replace('"batch":"2","change"', '"batch":"3","change"'),
    /^the manifest is of batch 3\n$/,
  ],
  [
    'a field that is not of a manifest',
    reply => reply.replace('"anchor"', '"bonus":"1","anchor"'),
    /^what the API gives for batch 2 is no manifest\n$/,
  ],
]

for (const [what, lie, said] of LIES)
  test(`an API that gives ${what} gets no signature`, () =>
    withPool(url =>
      withLiar(url, lie, async (liar, posted) => {
        const args = ['treasury', 'approve', '2', '--key', keyFile, ...atApi(liar), '--yes']
        const ran = await runCommand(args)
        expect(ran.code).toBe(1)
        expect(ran.stdout).toMatch(said)
        expect(posted).toEqual([])
      }),
    ))

test('what a terminal would obey is shown, not obeyed', () =>
  withPool(url =>
    withLiar(
      url,
      reply => reply.replace('"note":""', '"note":"fine\\u001b[2K\\u202egood"'),
      async liar => {
        const list = await runCommand(['treasury', 'list', ...atApi(liar)])
        expect(list.stdout).toContain('fine\\u{1b}[2K\\u{202e}good')
      },
    ),
  ))

test('a signature for one manifest is refused for another', () =>
  withPool(async (url, database) => {
    const client = treasuryClient(url, tokenOfTests)
    const reply = await client.act('2', 'approve', {
      operatorKey: operatorKeyOf(OPERATOR_SECRET),
      manifestHash: digest('1'.repeat(64)),
      signature: '0'.repeat(128),
    })
    expect(reply).toMatchObject({ kind: 'refused' })
    expect(await stateOf(database, batchId(2n))).toEqual({ state: 'planned' })
  }))

test('a key that others can read, a wrong token and a pool that is away are explained', () =>
  withPool(async url => {
    const open = join(dir, 'open-key')
    await writeFile(open, toHex(OPERATOR_SECRET))
    await chmod(open, 0o644)
    const approve = (key: string, rest: readonly string[]) =>
      runCommand(['treasury', 'approve', '2', '--key', key, ...rest, '--yes'])
    expect((await approve(open, atApi(url))).stderr).toContain('is open to others')
    const zero = join(dir, 'zero-key')
    await writeFile(zero, '0'.repeat(64), { mode: 0o600 })
    expect((await approve(zero, atApi(url))).stderr).toContain('holds no key')
    const wrong = join(dir, 'wrong-token')
    await writeFile(wrong, 'not-the-token')
    const refused = await runCommand(['treasury', 'list', '--api', url, '--token-file', wrong])
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stdout).toMatch(/^401: /)
    const away = await runCommand(['treasury', 'list', ...atApi('http://127.0.0.1:1')])
    expect(away).toMatchObject({ code: 2, stdout: '' })
    expect(away.stderr).toContain('does not answer')
  }))
