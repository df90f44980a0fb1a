import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { buildApi } from '../../src/api/index.ts'
import { watchDescriptor } from '../../src/commands/treasury-watch.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { batchId } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { bookCapital } from '../../src/payouts/index.ts'
import { planOwnBatch } from '../../src/payouts/own-batch-store.ts'
import { cosigners } from '../../src/payouts/rails/l1/cosigner-store.ts'
import { parseMultisig } from '../../src/payouts/rails/l1/multisig.ts'
import { cosignerKey } from '../../src/signer/index.ts'
import { partsOn } from '../api/parts.ts'
import { tokenOfTests } from '../api/seed.ts'
import { lastBatch, versionsIn } from '../payouts/l1-chain.ts'
import { addressOf, createWorld, FINALITY, fundWallet, type World } from '../payouts/l1-world.ts'
import { balanceBooks, booked, type TwoWallets, twoWallets } from '../payouts/two-wallets.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { addPerson, addToken, keyOf } from '../treasury/people.ts'
import { runCommand } from './child.ts'

const AMOUNT = sats(70_000_000n)
/** Of two co-signers who use our own command; the third is a wallet of Bitcoin Core. */
const SEEDS = [21, 22].map(n => new Uint8Array(32).fill(n))
const COLD = 'cold'
const HOLDER = 'holder'

let node: TestNode
let world: World
let own: TwoWallets
let app: FastifyInstance
let dir: string
let descriptor: string
let api: readonly string[]

beforeAll(async () => {
  node = await testNode()
  await fundWallet(node)
  const key = await holderKey()
  const keys = [...SEEDS.map(seed => cosignerKey(seed, 'regtest')), key.public]
  descriptor = `wsh(sortedmulti(2,${keys.join()}))`
  await watchDescriptor(connectNode(node.rpc), COLD, descriptor)
  await importHolder(keys, key)
  world = await createWorld(node, [addressOf(1)])
  await balanceBooks(world)
  const signer = cosigners(world.db)
  const cold = { name: COLD, signer, multisig: parseMultisig(descriptor) }
  expect(cold.multisig).toEqual({ kind: 'wsh', required: 2, keys: 3 })
  own = twoWallets(world, node, { cold })
  await fillCold()
  dir = await mkdtemp(join(tmpdir(), 'sidepool-cold-'))
  await writeFile(join(dir, 'descriptor'), descriptor)
  await writeFile(join(dir, 'seed'), toHex(SEEDS[0] ?? new Uint8Array()), { mode: 0o600 })
  await writeFile(join(dir, 'token'), tokenOfTests, { mode: 0o600 })
  const operator = await addPerson(world.db, 'carol', ['operator'], [keyOf(77)])
  await addToken(world.db, {
    operator,
    key: keyOf(77),
    token: tokenOfTests,
    scopes: ['read', 'create'],
  })
  const { db, clock } = world
  app = await buildApi(
    partsOn(db, {
      clock,
      planOwn: (wish, alias) => planOwnBatch(own.parts, wish, { kind: 'operator', alias }),
    }),
  )
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  api = ['--api', url, '--token-file', join(dir, 'token')]
}, 240_000)
afterAll(async () => {
  await app.close()
  await world.database.drop()
  await rm(dir, { recursive: true, force: true })
  await node.remove()
})

type Key = { readonly public: string; readonly private: string }

/** The account key of a wallet that Bitcoin Core made, as its co-signer would hand it out. */
async function holderKey(): Promise<Key> {
  const { call } = connectNode(node.rpc)
  await node.cli('createwallet', 'made', false, false, '', false, true, false)
  const listed = z.object({ descriptors: z.array(z.object({ desc: z.string() })) })
  const of = async (isPrivate: boolean) => {
    const reply = await call('listdescriptors', [isPrivate], { wallet: 'made' })
    const found = listed.parse(reply).descriptors.find(({ desc }) => /^wpkh.*\/0\/\*/.test(desc))
    const key = /^wpkh\((.*)\/0\/\*\)/.exec(found?.desc ?? '')?.[1] ?? ''
    return `${key.replaceAll("'", 'h')}/<0;1>/*`
  }
  return { public: await of(false), private: await of(true) }
}

/** Makes Core's own wallet of the multisig, with one private key in it. */
async function importHolder(keys: readonly string[], key: Key): Promise<void> {
  const { call } = connectNode(node.rpc)
  await node.cli('createwallet', HOLDER, false, true, '', false, true, false)
  const bare = `wsh(sortedmulti(2,${keys.map(each => (each === key.public ? key.private : each)).join()}))`
  const known = z.object({ checksum: z.string() })
  for (const chain of ['0', '1']) {
    const text = bare.replaceAll('<0;1>', chain)
    const { checksum } = known.parse(await call('getdescriptorinfo', [text]))
    const desc = `${text}#${checksum}`
    const request = {
      desc,
      timestamp: 'now',
      active: true,
      internal: chain === '1',
      range: [0, 99],
    }
    const reply = await call('importdescriptors', [[request]], { wallet: HOLDER })
    z.array(z.object({ success: z.literal(true) })).parse(reply)
  }
}

/** Two coins in the cold wallet, booked as the owner's. */
async function fillCold(): Promise<void> {
  const { wallets, db, clock, finality } = own.parts
  const cold = wallets[1]?.client
  const address = (await cold?.newAddress()) ?? ''
  await node.mine(2, address)
  await node.mine(100)
  const coins = (await cold?.coins(finality)) ?? []
  const outcome = await bookCapital(
    { db, clock, wallets, finality },
    { id: 'cold', outpoints: coins },
  )
  expect(outcome).toMatchObject({ kind: 'booked', place: 'in the cold wallet' })
  await own.agree()
}

const treasury = (...args: readonly string[]) => runCommand(['treasury', ...args, ...api])

test('a transfer from cold to hot is asked for, signed by Core and by our command, and settles', async () => {
  const before = await booked(world)
  const asked = await treasury('transfer', '--from', 'cold', '--sats', String(AMOUNT))
  expect(asked).toMatchObject({ code: 0, stderr: '' })
  const { id } = await lastBatch(world)
  expect(asked.stdout).toBe(`batch ${id} is planned; others than you approve it\n`)
  const again = await treasury('transfer', '--from', 'cold', '--sats', String(AMOUNT))
  expect(again).toMatchObject({ code: 1, stdout: 'nothing was planned: a transfer is under way\n' })
  expect(await world.act(batchId(id), 2, { kind: 'approve' })).toMatchObject({
    reason: 'own batch',
  })
  await world.approve(batchId(id))
  await own.advance()
  expect((await lastBatch(world)).note).toBe('no co-signer has signed it yet')

  const file = join(dir, 'unsigned.psbt')
  const number = String(id)
  expect(await treasury('psbt', number, '--out', file)).toMatchObject({ code: 0, stderr: '' })
  const params = [(await readFile(file)).toString('base64'), true, 'DEFAULT', true, false]
  const { call } = connectNode(node.rpc)
  const processed = await call('walletprocesspsbt', params, { wallet: HOLDER })
  const byCore = join(dir, 'core.psbt')
  await writeFile(byCore, z.object({ psbt: z.string() }).parse(processed).psbt)
  expect(await treasury('upload', number, '--psbt', byCore)).toMatchObject({
    code: 0,
    stdout: 'the pool took it; signed in full by 1 so far\n',
  })
  await own.advance()
  expect((await lastBatch(world)).note).toBe('signed in full by 1, and it needs more')
  await own.agree()

  const withSeed = ['--seed', join(dir, 'seed'), '--descriptor', join(dir, 'descriptor'), '--yes']
  const signed = await treasury('sign', number, ...withSeed)
  expect(signed).toMatchObject({ code: 0, stderr: '' })
  expect(signed.stdout).toContain('the pool took it; signed in full by 2 so far\n')
  await own.advance()
  expect((await lastBatch(world)).state).toBe('sent')
  await own.agree()
  await node.mine(FINALITY)
  await own.advance()
  expect((await lastBatch(world)).state).toBe('settled')
  await own.agree()
  await own.agree()
  const fee = (await versionsIn(world))[0]?.fee ?? 0n
  expect(await booked(world)).toEqual({
    ...{ hot: before.hot + AMOUNT, cold: before.cold - AMOUNT - fee, out: 0n, fee },
  })
}, 240_000)

test('a consolidation of the hot wallet is asked for, and the floats are told', async () => {
  const asked = await treasury('consolidate', '--wallet', 'hot')
  expect(asked).toMatchObject({ code: 0, stderr: '' })
  expect(await lastBatch(world)).toMatchObject({ purpose: 'consolidation', wallet: 'hot' })
  expect(await treasury('consolidate', '--wallet', 'warm')).toMatchObject({ code: 2 })
  await own.agree()
  const floats = await treasury('floats')
  expect(floats).toMatchObject({ code: 0, stderr: '' })
  const { hot, cold } = await booked(world)
  expect(floats.stdout).toContain(`  ledger      ${cold * 1000n} msat\n  chain       ${cold} sat`)
  expect(floats.stdout).toContain(`  ledger      ${hot * 1000n} msat\n  chain       ${hot} sat`)
  expect(floats.stdout.match(/books and wallet agree/g)).toHaveLength(2)
  const child = await treasury('child', '999')
  expect(child).toMatchObject({ code: 1, stdout: expect.stringContaining('nothing was planned') })
}, 240_000)
