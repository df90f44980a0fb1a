import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type CoinManifest,
  encodeManifest,
  manifestHash,
  type SignReply,
  type SpendPolicy,
  signAct,
} from '../../src/approval/index.ts'
import { equalBytes } from '../../src/lib/bytes.ts'
import { batchId, digest, payoutId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { EMPTY_MEMORY } from '../../src/signer/memory.ts'
import { judgeRequest } from '../../src/signer/rules.ts'
import {
  addressOf,
  coin,
  HOUR_MS,
  KEYS,
  manifestOf,
  type Person,
  POLICY,
  psbtOf,
  requestOf,
  type SignerWorld,
  START,
  signerWorld,
  txidOfCoin,
  walletOf,
} from './world.ts'

const COIN = coin(100_000_000n, 0)
const ANCHOR = { txid: txidOfCoin(COIN), vout: 0 }
const FEE = 1000n

let world: SignerWorld
beforeEach(async () => {
  world = await signerWorld()
})
afterEach(() => world.remove())

/** Asks for a batch with a coin of its own; the number makes both. */
function ask(
  number: number,
  over: Partial<CoinManifest> = {},
  people: readonly Person[] = ['alice', 'bob'],
) {
  const own = coin(100_000_000n, number)
  const anchor = { txid: txidOfCoin(own), vout: 0 }
  const manifest = manifestOf({ anchor, batch: batchId(BigInt(number)), ...over })
  return world.ask(requestOf(manifest, psbtOf(manifest, [own], FEE), people))
}

const paying = (amount: bigint, destination = 1) => ({
  payees: [{ destination: addressOf(destination), amount: sats(amount), payouts: [payoutId(1n)] }],
})

const reasonOf = (reply: SignReply) => (reply.kind === 'refused' ? reply.reason : reply.kind)

describe('who may have a batch signed', () => {
  const manifest = manifestOf({ anchor: ANCHOR })
  const psbt = psbtOf(manifest, [COIN], FEE)
  const hash = manifestHash(encodeManifest(manifest))

  test('an approver for a small one', async () => {
    expect((await world.ask(requestOf(manifest, psbt, ['alice']))).kind).toBe('signed')
  })

  test.each<[string, Person[]]>([
    ['nobody', []],
    ['a stranger', ['stranger']],
    ['one who only looks', ['eve']],
    ['one whose key has expired', ['dave']],
    ['the pool above its band', ['pool']],
  ])('not %s', async (_, people) => {
    const reply = await world.ask(requestOf(manifest, psbt, people))
    expect(reasonOf(reply)).toContain('0 of 1 approvals')
    expect(reply.head.position).toBe(1)
  })

  test('two keys of one person are not two people', async () => {
    const large = paying(2_000_000n)
    expect(reasonOf(await ask(1, large, ['alice', 'alice2']))).toContain('1 of 2')
    expect((await ask(1, large, ['alice', 'bob'])).kind).toBe('signed')
  })

  test('not one who asked for the batch', async () => {
    const excluded = { excluded: ['alice'], createdBy: 'operator:alice' }
    expect(reasonOf(await ask(1, excluded, ['alice']))).toContain('0 of 1')
    expect((await ask(1, excluded, ['bob'])).kind).toBe('signed')
  })

  test('not with a rejection beside the approvals', async () => {
    const acts = [
      signAct(KEYS.alice, { kind: 'approve' }, hash),
      signAct(KEYS.bob, { kind: 'reject', reason: 'no' }, hash),
    ]
    expect(reasonOf(await world.ask({ ...requestOf(manifest, psbt), acts }))).toContain('rejected')
  })

  test.each<[string, Partial<CoinManifest>]>([
    ['batch', { batch: batchId(2n) }],
    ['network', { network: 'signet' }],
    ['fee', { feeMax: sats(20_001n) }],
    ['amount', paying(300_001n)],
  ])('not by approvals of another %s', async (_, over) => {
    const other = manifestOf({ anchor: ANCHOR, ...over })
    const { acts } = requestOf(other, psbt)
    const reply = await world.ask({ ...requestOf(manifest, psbt), acts })
    expect(reasonOf(reply)).toContain('0 of 1 approvals')
  })

  test('not by a rejection that was made an approval, nor by an edited act', async () => {
    const rejected = signAct(KEYS.alice, { kind: 'reject', reason: 'no' }, hash)
    const approved = signAct(KEYS.alice, { kind: 'approve' }, hash)
    const edited = approved.signature.slice()
    edited[40] = (edited[40] ?? 0) ^ 1
    for (const forged of [
      { ...rejected, act: { kind: 'approve' } as const },
      { ...approved, signature: edited },
      { ...approved, operator: signAct(KEYS.bob, { kind: 'approve' }, hash).operator },
      { ...approved, manifestHash: digest('00'.repeat(32)) },
    ]) {
      const reply = await world.ask({ ...requestOf(manifest, psbt), acts: [forged] })
      expect(reasonOf(reply)).toContain('0 of 1 approvals')
    }
  })

  test('not after a key was taken out of the rules', async () => {
    const operators = POLICY.operators.filter(({ alias }) => alias !== 'alice')
    await world.restart({ ...POLICY, operators })
    expect(reasonOf(await world.ask(requestOf(manifest, psbt)))).toContain('0 of 1')
  })

  test('not for another network, rail or wallet, nor in another spelling', async () => {
    const refused = async (over: Partial<CoinManifest>) => reasonOf(await ask(1, over))
    expect(await refused({ network: 'signet' })).toContain('of signet')
    expect(await refused({ rail: 'thunder' })).toContain('rail thunder')
    expect(await refused({ wallet: 'cold' })).toContain('no key of the cold wallet')
    const text = new TextDecoder().decode(encodeManifest(manifest))
    const spaced = new TextEncoder().encode(` ${text}`)
    const reply = await world.ask({ ...requestOf(manifest, psbt), manifest: spaced })
    expect(reasonOf(reply)).toContain('not canonical')
  })
})

describe('one manifest a batch, one payment a batch', () => {
  test('another manifest of the same number is refused, whoever approved it', async () => {
    expect((await ask(1)).kind).toBe('signed')
    for (const over of [paying(5000n), { anchor: { ...ANCHOR, vout: 1 } }, { feeMax: sats(2000n) }])
      expect(reasonOf(await ask(1, over))).toContain('signed with another manifest')
  })

  test('the same version again gives the same signatures and adds nothing', async () => {
    const [first, again] = [await ask(1), await ask(1)]
    if (first.kind !== 'signed' || again.kind !== 'signed') throw new Error(reasonOf(again))
    expect(equalBytes(first.psbt, again.psbt)).toBe(true)
    expect(again.head).toEqual(first.head)
  })

  test('a bump is signed after the expiry, until nodes have forgotten the first version', async () => {
    const manifest = manifestOf({ anchor: ANCHOR })
    const bump = (fee: bigint) => world.ask(requestOf(manifest, psbtOf(manifest, [COIN], fee)))
    world.clock.set(manifest.expiresAt - 1)
    expect((await bump(FEE)).kind).toBe('signed')
    world.clock.set(manifest.expiresAt + 13 * 24 * HOUR_MS)
    const bumped = await bump(2000n)
    expect([bumped.kind, bumped.head.position]).toEqual(['signed', 3])
    world.clock.set(manifest.expiresAt + 14 * 24 * HOUR_MS)
    expect(reasonOf(await bump(3000n))).toContain('expired')
  })

  test('what expired unsigned is closed once, and never signed, wherever the clock goes', async () => {
    const manifest = manifestOf({ anchor: ANCHOR })
    const asked = () => world.ask(requestOf(manifest, psbtOf(manifest, [COIN], FEE)))
    world.clock.set(manifest.expiresAt)
    expect(await asked()).toMatchObject({ kind: 'closed', head: { position: 2 } })
    world.clock.set(manifest.expiresAt - 1)
    await world.restart()
    expect(await asked()).toMatchObject({ kind: 'closed', head: { position: 2 } })
  })

  test('closing a manifest keeps no other one of its batch from being signed', async () => {
    const closed = manifestOf({ anchor: ANCHOR })
    const other = manifestOf({ anchor: ANCHOR, expiresAt: unixMs(closed.expiresAt + HOUR_MS) })
    const ask = (manifest: CoinManifest) =>
      world.ask(requestOf(manifest, psbtOf(manifest, [COIN], FEE)))
    world.clock.set(closed.expiresAt)
    expect((await ask(closed)).kind).toBe('closed')
    expect((await ask(other)).kind).toBe('signed')
  })

  test('at most 1,000 manifests are closed a day', () => {
    const manifest = manifestOf({ anchor: ANCHOR })
    const now = manifest.expiresAt
    const numbers = Array.from({ length: 1000 }, (_, index) => index.toString(16))
    const closed = new Map(numbers.map(number => [digest(number.padStart(64, '0')), now]))
    const memory = { ...EMPTY_MEMORY, network: 'regtest', closed }
    const keys = { wallets: { hot: walletOf() }, thunder: null, deposits: null, channels: null }
    const standing = { network: 'regtest' as const, policy: POLICY, memory, ...keys }
    const request = requestOf(manifest, psbtOf(manifest, [COIN], FEE))
    const judged = (at: number) =>
      judgeRequest({ ...standing, now: unixMs(at), wallNow: unixMs(at) }, request)
    expect(judged(now)).toMatchObject({
      reason: 'it has expired, and too many were closed today to close it too',
    })
    expect(judged(now + 24 * HOUR_MS)).toMatchObject({ kind: 'closed', event: { kind: 'closed' } })
  })

  test('at most 50 versions of a batch', async () => {
    const manifest = manifestOf({ anchor: ANCHOR })
    const bump = (fee: bigint) => world.ask(requestOf(manifest, psbtOf(manifest, [COIN], fee)))
    for (let fee = 1n; fee <= 50n; fee++) expect((await bump(fee)).kind).toBe('signed')
    expect(reasonOf(await bump(51n))).toContain('too many versions')
    expect((await bump(50n)).kind).toBe('signed')
  })
})

describe('limits', () => {
  const strict: SpendPolicy = {
    ...POLICY,
    limits: {
      perBatch: sats(1_000_000n),
      perDay: sats(2_500_000n),
      perDestinationPerDay: sats(1_500_000n),
    },
  }
  const far = { expiresAt: unixMs(START + 1000 * HOUR_MS) }
  /** With its largest fee of 20,000. */
  const spending = (amount: bigint, to = 1) => ({ ...far, ...paying(amount - 20_000n, to) })

  test('one batch', async () => {
    await world.restart(strict)
    expect(reasonOf(await ask(1, spending(1_000_001n)))).toContain('limit per batch')
    expect((await ask(1, spending(1_000_000n))).kind).toBe('signed')
  })

  test('a day, split over many batches, over restarts and over midnight', async () => {
    await world.restart(strict)
    const midnight = Math.ceil(START / (24 * HOUR_MS)) * 24 * HOUR_MS
    world.clock.set(midnight - 1000)
    expect((await ask(1, spending(1_000_000n, 1))).kind).toBe('signed')
    world.clock.set(midnight + 1000)
    expect((await ask(2, spending(1_000_000n, 2))).kind).toBe('signed')
    await world.restart(strict)
    expect(reasonOf(await ask(3, spending(500_001n, 3)))).toContain('limit per day')
    expect((await ask(3, spending(500_000n, 3))).kind).toBe('signed')
    expect(reasonOf(await ask(4, spending(30_000n, 4)))).toContain('limit per day')
    world.clock.set(midnight - 1000 + 24 * HOUR_MS - 1)
    expect(reasonOf(await ask(4, spending(30_000n, 4)))).toContain('limit per day')
    world.clock.set(midnight - 1000 + 24 * HOUR_MS)
    expect((await ask(4, spending(1_000_000n, 4))).kind).toBe('signed')
    expect(reasonOf(await ask(5, spending(30_000n, 5)))).toContain('limit per day')
  })

  test('a destination', async () => {
    await world.restart(strict)
    expect((await ask(1, spending(1_000_000n))).kind).toBe('signed')
    expect(reasonOf(await ask(2, spending(600_000n)))).toContain('at most 1500000 sat a day')
    expect((await ask(2, spending(540_000n))).kind).toBe('signed')
  })

  test('only destinations on the list', async () => {
    await world.restart({ ...POLICY, allowList: new Set([addressOf(1)]) })
    expect(reasonOf(await ask(1, paying(5000n, 2)))).toContain('not on the list')
    expect((await ask(1, paying(5000n, 1))).kind).toBe('signed')
  })

  test('the pool alone: a batch, and a day', async () => {
    const pool: Person[] = ['pool']
    expect(reasonOf(await ask(1, spending(200_001n), pool))).toContain('0 of 1')
    for (const number of [1, 2])
      expect((await ask(number, spending(200_000n), pool)).kind).toBe('signed')
    expect(reasonOf(await ask(3, spending(100_001n), pool))).toContain('0 of 1')
    expect((await ask(3, spending(100_000n), pool)).kind).toBe('signed')
    expect(reasonOf(await ask(4, spending(30_000n), pool))).toContain('0 of 1')
    expect((await ask(4, spending(30_000n), ['alice'])).kind).toBe('signed')
  })

  test('a bump is counted once, with its first version', async () => {
    await world.restart({ ...strict, limits: { ...strict.limits, perDay: sats(1_000_000n) } })
    const manifest = manifestOf({ anchor: ANCHOR, ...spending(1_000_000n) })
    const bump = (fee: bigint) => world.ask(requestOf(manifest, psbtOf(manifest, [COIN], fee)))
    expect((await bump(1000n)).kind).toBe('signed')
    expect((await bump(2000n)).kind).toBe('signed')
    expect(reasonOf(await ask(2, spending(30_000n)))).toContain('limit per day')
  })
})
