import { Psbt, Transaction } from 'bitcoinjs-lib'
import { CompiledQuery } from 'kysely'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { manifestHash, type SpendPolicy, signAct } from '../../src/approval/index.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { decideBatch } from '../../src/payouts/decide-store.ts'
import type { SignerClient } from '../../src/payouts/signer-client.ts'
import { mempool, versionsIn } from '../payouts/l1-chain.ts'
import { POLICY } from '../payouts/l1-world.ts'
import { type HostedWorld, hostedWorld } from '../signer/pool-world.ts'
import { scriptOfAddress } from '../signer/world.ts'
import { type TestNode, testNode } from '../support/bitcoind.ts'
import { addPerson, keyOf, secretOf } from '../treasury/people.ts'

const REFUSED_BY_HOST = "the signer refuses: it has 0 of 2 approvals by this host's rules"

// Each has a signer of its own, made and asked by the commands, each of them a process.
vi.setConfig({ testTimeout: 180_000 })

let node: TestNode
beforeAll(async () => {
  node = await testNode()
})
afterAll(() => node.remove())

let it: HostedWorld
afterEach(async () => {
  await it?.remove()
  // What a test left in the mempool is no other test's.
  await node.mine(1)
})

const THIEF = 666
const thiefScript = scriptOfAddress(THIEF)

/** The PSBT with what the first payee gets going to a thief. */
function stolen(bytes: Uint8Array): Uint8Array {
  const psbt = Psbt.fromBuffer(bytes)
  const bare = Transaction.fromBuffer(psbt.data.getTransaction())
  const first = bare.outs[0]
  if (first) first.script = thiefScript
  const made = new Psbt().setVersion(bare.version).setLocktime(bare.locktime)
  for (const [at, { hash, index, sequence }] of bare.ins.entries()) {
    const { partialSig: _signed, ...rest } = psbt.data.inputs[at] ?? {}
    made.addInput({ ...rest, hash, index, sequence })
  }
  for (const [at, out] of bare.outs.entries()) {
    const { bip32Derivation = [] } = psbt.data.outputs[at] ?? {}
    made.addOutput({ ...out, bip32Derivation })
  }
  for (const [at, { partialSig = [] }] of psbt.data.inputs.entries())
    if (partialSig.length > 0) made.data.updateInput(at, { partialSig })
  return new Uint8Array(made.toBuffer())
}

const asking =
  (bend: (psbt: Uint8Array) => Uint8Array) =>
  (honest: SignerClient): SignerClient => ({
    ...honest,
    sign: asked => honest.sign(asked.rail === 'l1' ? { ...asked, psbt: bend(asked.psbt) } : asked),
  })

/** As the superuser, past every rule of the database. */
async function asOwner(statement: string): Promise<void> {
  const { ownerDb } = it.world.database
  await ownerDb.connection().execute(async one => {
    await one.executeQuery(CompiledQuery.raw('set session_replication_role = replica'))
    await one.executeQuery(CompiledQuery.raw(statement))
    await one.executeQuery(CompiledQuery.raw('set session_replication_role = default'))
  })
}

const THIEVES_KEYS = [31, 32]
/** The rules of a pool that counts the thief's keys as people's. */
const THIEVES: SpendPolicy = {
  ...POLICY,
  operators: THIEVES_KEYS.map(n => ({
    alias: `thief-${n}`,
    roles: ['approver'],
    keys: POLICY.operators[0]?.keys.map(each => ({ ...each, key: keyOf(n) })) ?? [],
  })),
}

/** Makes operators of the thief's keys in the database, and has them approve what is there. */
async function asThieves(): Promise<void> {
  const { world } = it
  const { id: batch } = await it.last()
  const row = world.db.selectFrom('batches').select('manifest').where('id', '=', batch)
  const hash = manifestHash(new Uint8Array((await row.executeTakeFirstOrThrow()).manifest))
  await asOwner(`update batches set manifest_hash = '${hash}'`)
  const parts = { clock: world.clock }
  for (const n of THIEVES_KEYS) {
    await addPerson(world.db, `thief-${n}`, ['approver'], [keyOf(n)])
    const act = signAct(secretOf(n), { kind: 'approve' }, hash)
    const verdict = await decideBatch(world.db, THIEVES, { batch, act }, parts)
    expect(verdict).toMatchObject({ kind: 'accepted' })
  }
}

test('whoever changes a payout after the approval gets nothing signed', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  await asOwner('update payouts set amount_sats = amount_sats + 1')
  await it.pool.advance()
  expect(await it.last()).toMatchObject({
    state: 'approved',
    note: 'its payouts are not those that were approved',
  })
  await expectNothingSigned()
})

test('whoever swaps the manifest after the approval has no approval of it', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  const swapped = `convert_to(replace(convert_from(manifest, 'UTF8'),
    '"feeMaxSats":"', '"feeMaxSats":"9'), 'UTF8')`
  await asOwner(`update batches set manifest = ${swapped}`)
  await it.pool.advance()
  expect((await it.last()).note).toBe('it has 0 of the 2 approvals it needs')
  await expectNothingSigned()
  await asThieves()
  await it.poolWith({ policy: THIEVES }).advance()
  expect((await it.last()).note).toBe(REFUSED_BY_HOST)
  await expectNothingSigned()
})

test('whoever makes operators of his own keys in the database has none that the host knows', async () => {
  it = await hostedWorld(node)
  await it.pool.plan()
  await asThieves()
  await it.poolWith({ policy: THIEVES }).advance()
  expect(await it.last()).toMatchObject({ state: 'approved', note: REFUSED_BY_HOST })
  await expectNothingSigned()
})

test('whoever puts his own destination into a PSBT gets no signature, and the pool sends none of it', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  await it.poolWith({ client: asking(stolen) }).advance()
  expect((await it.last()).note).toBe('the signer refuses: output 0 is not what payee 0 gets')
  await expectNothingSigned()
  await it.pool.advance()
  await it.expectPaid()
})

test('of a host that was taken over only signatures of the very transaction are taken', async () => {
  it = await hostedWorld(node)
  await it.planApproved()
  const answering = (bend: (psbt: Uint8Array) => Uint8Array) => (honest: SignerClient) => ({
    ...honest,
    sign: async (asked: Parameters<SignerClient['sign']>[0]) => {
      const answer = await honest.sign(asked)
      if (answer.kind === 'no answer' || answer.value.kind !== 'signed') return answer
      return { ...answer, value: { ...answer.value, psbt: bend(answer.value.psbt) } }
    },
  })
  await it.poolWith({ client: answering(stolen) }).advance()
  expect((await it.last()).note).toBe('of what the signer gave: it is of another transaction')
  expect(await mempool(node)).toEqual([])
  const added = (bytes: Uint8Array) => {
    const psbt = Psbt.fromBuffer(bytes)
    psbt.addUnknownKeyValToGlobal({ key: fromHex('fc0401'), value: fromHex('00') })
    return new Uint8Array(psbt.toBuffer())
  }
  await it.poolWith({ client: answering(added) }).advance()
  await it.expectPaid()
})

async function expectNothingSigned(): Promise<void> {
  expect(await it.position()).toBe(1)
  expect(await mempool(node)).toEqual([])
  expect((await versionsIn(it.world)).filter(({ hex }) => hex !== null)).toEqual([])
}
