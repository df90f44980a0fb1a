import { execFile } from 'node:child_process'
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  confirmHeads,
  freezeActHash,
  type SignedFreezeAct,
  type SignerHead,
  signFreezeAct,
} from '../../src/approval/index.ts'
import { batchId, digest, payoutId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { readLine, writeLine } from '../../src/signer/memory-entry.ts'
import { createMemory, openMemory } from '../../src/signer/memory-store.ts'
import {
  addressOf,
  coin,
  HOUR_MS,
  KEYS,
  manifestOf,
  type Person,
  psbtOf,
  requestOf,
  type SignerWorld,
  START,
  signerWorld,
  txidOfCoin,
} from './world.ts'

let world: SignerWorld
beforeEach(async () => {
  world = await signerWorld()
})
afterEach(() => world.remove())

/** An approved batch with a coin of its own, asked for by a pool with this head on record. */
function ask(number: number, head: SignerHead | null = null, fee = 1000n) {
  const own = coin(100_000_000n, number)
  const anchor = { txid: txidOfCoin(own), vout: 0 }
  const manifest = manifestOf({
    ...{ anchor, batch: batchId(BigInt(number)), expiresAt: unixMs(START + 1000 * HOUR_MS) },
    payees: [{ destination: addressOf(1), amount: sats(9000n), payouts: [payoutId(1n)] }],
  })
  return world.ask({ ...requestOf(manifest, psbtOf(manifest, [own], fee)), head })
}

const bytes = () => readFileSync(world.path)
const lines = () => bytes().toString('utf8').trimEnd().split('\n')

describe('on the disk', () => {
  test('a memory that is there is never made anew', async () => {
    const made = createMemory(world.path, {
      ...{ network: 'regtest', name: 'ab'.repeat(32), clock: world.clock },
    })
    await expect(made).rejects.toThrow('cannot be made')
    await world.restart()
  })

  test('every signature is on the disk before it leaves, and survives a restart', async () => {
    for (const number of [1, 2, 3]) {
      const reply = await ask(number)
      expect([reply.kind, lines().length]).toEqual(['signed', number + 1])
      expect(lines().at(-1)).toContain(reply.head.hash)
    }
    await world.restart()
    expect((await world.signer.status({ head: null })).head.position).toBe(4)
    expect((await ask(1, null, 2000n)).head.position).toBe(5)
  })

  test('only its owner can read it', () => {
    expect(statSync(world.path).mode & 0o777).toBe(0o600)
  })

  test('a last line that a crash cut short, at any byte, is cut off, and no other is', async () => {
    for (const number of [1, 2]) await ask(number)
    await world.close()
    const whole = bytes()
    const end = whole.lastIndexOf(10, whole.length - 2) + 1
    for (let size = end; size < whole.length; size += 97) {
      writeFileSync(world.path, whole.subarray(0, size))
      await world.open()
      expect((await world.signer.status({ head: null })).head.position).toBe(2)
      await world.close()
      expect(bytes().equals(whole.subarray(0, end))).toBe(true)
    }
    writeFileSync(world.path, whole)
    await world.open()
    expect((await world.signer.status({ head: null })).head.position).toBe(3)
  })

  test('one changed byte anywhere in whole lines refuses to start', async () => {
    for (const number of [1, 2]) await ask(number)
    await world.close()
    const whole = bytes()
    for (let at = 0; at < whole.length; at += 41) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ 1
      // The last end of line makes a torn line of it, which is another test's.
      if (at === whole.length - 1) continue
      writeFileSync(world.path, changed)
      await expect(openMemory(world.path, world.clock)).rejects.toThrow(/not ours|not follow/)
    }
  })

  test('a line left out, repeated or moved refuses to start', async () => {
    for (const number of [1, 2, 3]) await ask(number)
    await world.close()
    const [a = '', b = '', c = '', d = ''] = lines()
    for (const order of [
      [b, c, d],
      [a, c, d],
      [a, b, b, c, d],
      [a, c, b, d],
      [a, b, c, d, a],
    ]) {
      writeFileSync(world.path, `${order.join('\n')}\n`)
      await expect(openMemory(world.path, world.clock)).rejects.toThrow('does not follow')
    }
    writeFileSync(world.path, '')
    await expect(openMemory(world.path, world.clock)).rejects.toThrow('is empty')
  })

  test('a line that was edited and hashed anew refuses to start', async () => {
    for (const number of [1, 2]) await ask(number)
    await world.close()
    const [a = '', b = '', c = ''] = lines()
    const first = readLine(b)
    if (first?.entry.event.kind !== 'batch') throw new Error('the first batch is the second line')
    const event = { ...first.entry.event, spendSats: sats(1n) }
    writeFileSync(world.path, `${[a, writeLine({ ...first.entry, event }).line, c].join('\n')}\n`)
    await expect(openMemory(world.path, world.clock)).rejects.toThrow('does not follow')
  })

  test('what a full disk does not take is refused, and leaves no half line', async () => {
    await world.close()
    // Beyond this size a write fails as on a full disk: one unit is 1,024 bytes.
    const node = `exec "${process.execPath}" "${join(import.meta.dirname, 'fill-memory.ts')}"`
    const { stdout } = await promisify(execFile)(
      'bash',
      ['-c', `ulimit -f 4; ${node} "$0"`, world.path],
      // What Node keeps of its own would be cut short as well, and end it.
      { env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' } },
    )
    const { added, trouble } = JSON.parse(stdout)
    expect(added).toBeGreaterThan(3)
    expect(trouble).toEqual(['the memory cannot be written', 'the memory cannot be written'])
    expect(bytes().at(-1)).toBe(10)
    await world.open()
    expect((await world.signer.status({ head: null })).head.position).toBe(1 + added)
  })

  test('what somebody else writes into it stops every signature until a restart', async () => {
    await ask(1)
    appendFileSync(world.path, 'x')
    const refused = { kind: 'refused', reason: 'somebody else has changed the memory' }
    expect(await ask(2)).toMatchObject(refused)
    expect(await ask(2)).toMatchObject(refused)
    await world.restart()
    expect((await ask(2)).kind).toBe('signed')
  })

  test('a memory of another network signs nothing', async () => {
    await world.close()
    const other = `${world.path}.signet`
    await createMemory(other, { network: 'signet', name: 'ab'.repeat(32), clock: world.clock })
    writeFileSync(world.path, readFileSync(other))
    await world.open()
    expect(await ask(1)).toMatchObject({ reason: 'the memory is of signet, not of regtest' })
  })
})

describe('the clock', () => {
  test('may be a minute behind what it has shown, and not more, also after a restart', async () => {
    world.clock.set(START + HOUR_MS)
    await ask(1)
    world.clock.set(START + HOUR_MS - 60_000)
    expect((await ask(2)).kind).toBe('signed')
    world.clock.set(START + HOUR_MS - 60_001)
    expect(await ask(3)).toMatchObject({ reason: 'the clock is behind what it has shown before' })
    await world.restart()
    expect((await ask(3)).kind).toBe('refused')
    world.clock.set(START + 2 * HOUR_MS)
    expect((await ask(3)).kind).toBe('signed')
  })

  test('that is turned while the signer runs moves no limit, and stops it', async () => {
    for (const turned of [600_001, 25 * HOUR_MS, -600_001]) {
      world.clock.turn(turned)
      expect(await ask(1)).toMatchObject({
        kind: 'refused',
        reason: expect.stringContaining('the clock was set'),
      })
      expect((await world.signer.status({ head: null })).refuses).toContain('the clock was set')
    }
    world.clock.turn(600_000)
    expect((await ask(1)).kind).toBe('signed')
    expect(lines().at(-1)).toContain(`"at":${START}`)
  })
})

describe('an old copy', () => {
  /** Signs three batches, then puts back the memory as it was after the first. */
  async function rollBack(): Promise<SignerHead> {
    await ask(1)
    const old = bytes()
    await ask(2)
    const { head } = await ask(3)
    await world.close()
    writeFileSync(world.path, old)
    await world.open()
    return head
  }

  test('refuses a pool that has seen more', async () => {
    const head = await rollBack()
    for (const number of [1, 2, 4])
      expect(await ask(number, head)).toMatchObject({
        kind: 'refused',
        reason: expect.stringContaining('an approver must confirm'),
      })
    expect((await world.signer.status({ head })).refuses).toContain('does not hold')
  })

  test('refuses a pool that has seen another signer', async () => {
    await ask(1)
    const foreign = { position: 2, hash: digest('ab'.repeat(32)) }
    expect((await ask(2, foreign)).kind).toBe('refused')
    expect((await ask(2, { position: 0, hash: digest('0'.repeat(64)) })).kind).toBe('refused')
  })

  test('signs for a pool that is behind, since a reply may have been lost', async () => {
    const { head } = await ask(1)
    await ask(2)
    expect((await ask(3, head)).kind).toBe('signed')
  })

  test('goes on once an approver has confirmed both heads, past what the pool has seen', async () => {
    const pool = await rollBack()
    const { head: signer } = await world.signer.status({ head: null })
    expect(await world.signer.confirm(confirmHeads(KEYS.alice, { signer, pool }))).toEqual({
      kind: 'taken',
      head: { position: pool.position + 1, hash: expect.any(String) },
    })
    await world.restart()
    const reply = await ask(4, pool)
    expect([reply.kind, reply.head.position]).toEqual(['signed', pool.position + 2])
    expect((await ask(5, reply.head)).kind).toBe('signed')
  })

  test('is confirmed by nobody else, and for no other pair of heads', async () => {
    const pool = await rollBack()
    const { head: signer } = await world.signer.status({ head: null })
    const pair = { signer, pool }
    const good = confirmHeads(KEYS.alice, pair)
    const people: Person[] = ['stranger', 'eve', 'dave', 'pool']
    for (const person of people)
      expect((await world.signer.confirm(confirmHeads(KEYS[person], pair))).kind).toBe('refused')
    for (const forged of [
      { ...good, pool: { ...pool, position: pool.position + 1 } },
      { ...good, signer: pool, pool: signer },
      { ...good, operator: confirmHeads(KEYS.bob, pair).operator },
      confirmHeads(KEYS.alice, { signer: pool, pool: signer }),
      confirmHeads(KEYS.alice, { signer, pool: signer }),
    ])
      expect((await world.signer.confirm(forged)).kind).toBe('refused')
    expect((await ask(4, pool)).kind).toBe('refused')
    expect((await world.signer.confirm(good)).kind).toBe('taken')
    expect((await world.signer.confirm(good)).kind).toBe('refused')
  })

  test('a fresh memory refuses a pool that already has a head', async () => {
    const { head } = await ask(1)
    const fresh = await signerWorld()
    const status = await fresh.signer.status({ head })
    expect(status.refuses).toContain('an approver must confirm')
    await fresh.remove()
  })
})

describe('freezes', () => {
  const words = { network: 'regtest', reason: 'something is wrong', at: unixMs(START) }
  const freeze = (person: Person, scope = 'l1') =>
    signFreezeAct(KEYS[person], { kind: 'freeze', scope, ...words })
  const lift = (person: Person, of: SignedFreezeAct) =>
    signFreezeAct(KEYS[person], { kind: 'unfreeze', freeze: freezeActHash(of.act), ...words })
  const signs = async (number: number) => (await ask(number)).kind

  test('one freezes, two different people unfreeze, over restarts', async () => {
    const frozen = freeze('alice')
    await world.signer.freeze([frozen])
    expect(await signs(1)).toBe('refused')
    await world.restart()
    await world.signer.freeze([frozen, lift('alice', frozen), lift('alice2', frozen)])
    expect(await signs(1)).toBe('refused')
    await world.signer.freeze([lift('bob', frozen)])
    expect(await signs(1)).toBe('signed')
    await world.signer.freeze([frozen])
    expect(await signs(2)).toBe('signed')
  })

  test('of all rails holds here, of another rail does not', async () => {
    await world.signer.freeze([freeze('alice', 'lightning')])
    expect(await signs(1)).toBe('signed')
    await world.signer.freeze([freeze('bob', 'all')])
    expect(await signs(2)).toBe('refused')
  })

  test('by nobody who may not, nor of another network, nor lifted by them', async () => {
    const foreign = signFreezeAct(KEYS.alice, {
      ...{ kind: 'freeze', scope: 'l1', ...words },
      network: 'signet',
    })
    const edited = { ...freeze('alice'), act: { ...freeze('alice').act, reason: 'another' } }
    await world.signer.freeze([freeze('stranger'), freeze('eve'), freeze('dave'), foreign, edited])
    expect(await signs(1)).toBe('signed')
    const frozen = freeze('alice')
    const lifts: Person[] = ['stranger', 'eve', 'dave', 'pool']
    await world.signer.freeze([frozen, ...lifts.map(person => lift(person, frozen))])
    expect(await signs(2)).toBe('refused')
  })
})
