import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockHash } from '../../../src/lib/ids.ts'
import { sats } from '../../../src/lib/money.ts'
import { EnforcerError, enforcerClient } from '../../../src/lib/nodes/enforcer-client.ts'
import { NodeUnreachable } from '../../../src/lib/nodes/post-client.ts'
import { parseBareAddress } from '../../../src/lib/thunder/address.ts'
import recorded from '../../vectors/thunder/replies.json' with { type: 'json' }
import { type Answers, startAnswers } from './answers.ts'

let enforcer: Answers
beforeAll(async () => {
  enforcer = await startAnswers()
})
afterAll(() => enforcer.stop())

const client = (authorization?: string) => enforcerClient({ grpcUrl: enforcer.url, authorization })

function line(n: number) {
  const found = recorded.enforcer.find(each => each.n === n)
  if (!found) throw new Error(`line ${n} was not kept`)
  return { ...found, params: found.params ?? {} }
}

function replay(n: number): void {
  const { http, reply } = line(n)
  const body = typeof reply === 'string' ? reply : JSON.stringify(reply)
  enforcer.answer({ kind: 'reply', status: http, body })
}

/** What a call gave, after checking that it asked what was asked when it was recorded. */
async function asRecorded<T>(n: number, call: () => Promise<T>, more: object = {}): Promise<T> {
  replay(n)
  const outcome = await call()
  const { method, params } = line(n)
  const { path, body, headers } = enforcer.last()
  expect(path).toBe(`/cusf.mainchain.v1.${method}`)
  expect(body).toEqual({ ...more, ...params })
  expect(headers['content-type']).toBe('application/json')
  return outcome
}

const failing = <T>(call: Promise<T>) =>
  call.then(
    () => null,
    (error: unknown) => error,
  )
const says = (reply: unknown, status = 200) =>
  enforcer.answer({ kind: 'reply', status, body: JSON.stringify(reply) })
const hashOf = (n: number) => {
  const { params } = line(n)
  return blockHash('block_hash' in params ? (params.block_hash?.hex ?? '') : '')
}

describe('an enforcer is asked for', () => {
  test('its tip, whose height it leaves out where it is zero', async () => {
    expect(await asRecorded(2, () => client().chainTip())).toEqual({
      hash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
      previousBlock: '00'.repeat(32),
      height: 0,
      time: 1_296_688_602,
    })
  })

  test('the chain and its rules', async () => {
    expect(await asRecorded(1, () => client().chainInfo())).toEqual({
      network: 'regtest',
      withdrawalBundleMaxAge: 10,
      withdrawalBundleThreshold: 5,
      activationHeight: 0,
    })
    for (const network of ['NETWORK_FORKNET', 'NETWORK_UNSPECIFIED', 7, undefined]) {
      says({ network })
      expect(await client().chainInfo()).toMatchObject({ network: null, activationHeight: 0 })
    }
  })

  test('the treasury coin, whose index and number it leaves out where they are zero', async () => {
    expect(await asRecorded(5, () => client().ctip(9))).toBeNull()
    expect(await asRecorded(100, () => client().ctip(9))).toEqual({
      txid: 'be82b2f63cb17e7cc8155c1c561fd47e1d023ec81703b33996bc9a31197830c2',
      vout: 0,
      value: 50_000_000n,
      sequence: 0n,
    })
    expect(await asRecorded(139, () => client().ctip(9))).toMatchObject({ sequence: 1n })
  })

  test('sidechains', async () => {
    expect(await asRecorded(3, () => client().sidechains())).toEqual([])
    expect(await asRecorded(32, () => client().sidechains())).toEqual([
      { slot: 9, proposalHeight: 2, activationHeight: 8, voteCount: 6 },
    ])
  })

  test('what blocks did: nothing, a deposit, a commitment, a bundle', async () => {
    const info = (n: number, ancestors = 0) =>
      asRecorded(n, () => client().blockInfo(hashOf(n), 9, ancestors), { max_ancestors: ancestors })
    expect(await info(7)).toEqual([])
    expect(await info(39)).toMatchObject([{ bmmCommitment: null, events: [] }])
    const three = await info(40, 2)
    expect(three.map(({ header }) => header.height)).toEqual([115, 114, 113])
    expect(three.map(({ header }) => header.previousBlock).slice(0, 2)).toEqual(
      three.slice(1).map(({ header }) => header.hash),
    )
    const [{ events = [] } = {}] = await info(101)
    expect(events).toMatchObject([{ kind: 'deposit', sequence: 0n, vout: 0, value: 50_000_000n }])
    const [event] = events
    const text = event?.kind === 'deposit' ? new TextDecoder().decode(event.address) : ''
    expect(parseBareAddress(text)).toBe('46mGHHQ2cvLLHYfJqyP4EuSDamdP')
    expect(await info(118)).toMatchObject([{ bmmCommitment: expect.stringMatching(/^79560766/) }])
    const m6id = '11db25af5ae634d37686ecca853c9ccaafd086c59b0df1ebe158358baccecc66'
    for (const [n, became] of [
      [239, 'submitted'],
      [245, 'succeeded'],
    ] as const)
      expect(await info(n)).toMatchObject([{ events: [{ kind: 'bundle', m6id, became }] }])
  })

  test('commitments and bundles', async () => {
    const commitment = (n: number) => asRecorded(n, () => client().bmmCommitment(hashOf(n), 9))
    expect(await commitment(41)).toEqual({ kind: 'block', commitment: null })
    expect(await commitment(42)).toEqual({ kind: 'unknown block' })
    expect(await commitment(117)).toMatchObject({ commitment: expect.stringMatching(/^79560766/) })
    expect(await asRecorded(238, () => client().bundles(9))).toEqual([
      { m6id: expect.stringMatching(/^11db25af/), voteCount: 1, proposalHeight: 125 },
    ])
  })

  test('its own wallet, which may hold nothing', async () => {
    expect(await asRecorded(21, () => client().balance())).toEqual({
      confirmed: 0n,
      pending: 0n,
      hasSynced: true,
    })
    expect(await asRecorded(37, () => client().balance())).toMatchObject({
      confirmed: 80_000_000_000n,
      pending: 495_000_000_000n,
    })
    expect(await asRecorded(20, () => client().newAddress())).toMatch(/^bcrt1q/)
  })
})

describe('a deposit by the enforcer’s wallet', () => {
  const deposit = (n: number) => {
    const { params } = line(n)
    const address = parseBareAddress('address' in params ? (params.address ?? '') : '')
    if (address === null || !('value_sats' in params)) throw new Error('no deposit')
    const [value, fee] = [params.value_sats, params.fee_sats].map(each => sats(BigInt(each ?? 0)))
    if (value === undefined || fee === undefined) throw new Error('no amounts')
    return () => client().createDeposit({ slot: 9, address, value, fee })
  }

  test('is sent by an id', async () =>
    expect(await asRecorded(93, deposit(93))).toEqual({
      kind: 'sent',
      txid: 'ab22c917539c9837b5dea0624faeb14168ed34b6f02fc0cd6e287995dd69d270',
    }))

  test('is refused where nothing was made', async () =>
    expect(await asRecorded(22, deposit(22))).toEqual({
      kind: 'refused',
      reason: 'sidechain 9 is not active',
    }))

  test('is unknown by its id where a node would not take it', async () =>
    expect(await asRecorded(133, deposit(133))).toMatchObject({
      kind: 'unknown',
      txid: 'ae754f22e015c9ae78c160003349ffedcddf0d89f717ccedd141bdad42c3e481',
    }))

  test('is unknown where there was no answer, or one that makes no sense', async () => {
    for (const answer of [
      { kind: 'drop' } as const,
      { kind: 'cut', body: '{"txid":{"hex":"' } as const,
      { kind: 'reply', status: 200, body: '{}' } as const,
      { kind: 'reply', status: 500, body: '{"code":"internal","message":"no"}' } as const,
      { kind: 'reply', status: 502, body: '<html>' } as const,
    ]) {
      enforcer.answer(answer)
      expect(await deposit(93)()).toMatchObject({ kind: 'unknown', txid: null })
    }
  })
})

describe('an enforcer', () => {
  test('refuses in its own words what it did not do', async () => {
    for (const [n, code] of [
      [8, 'invalid_argument'],
      [10, 'unimplemented'],
      [22, 'failed_precondition'],
    ] as const) {
      replay(n)
      const error = await failing(client().ctip(9))
      expect(error).toBeInstanceOf(EnforcerError)
      expect(error).toMatchObject({ code, message: expect.stringMatching(/\w/) })
    }
  })

  test('gives no answer with an empty body, a failure of its own, or a reply of another shape', async () => {
    for (const n of [13, 105]) {
      replay(n)
      expect(await failing(client().chainTip())).toBeInstanceOf(NodeUnreachable)
    }
    for (const reply of [
      null,
      [],
      { ctip: { txid: { hex: 'ab' } } },
      { ctip: { txid: { hex: '00'.repeat(32) }, value: '0.5' } },
      { ctip: { txid: { hex: '00'.repeat(32) }, value: '2100000000000001' } },
      { ctip: { txid: { hex: '00'.repeat(32) }, vout: -1 } },
    ]) {
      says(reply)
      expect(await failing(client().ctip(9))).toBeInstanceOf(NodeUnreachable)
    }
  })

  test('may know events that we do not, and never gets away with half a deposit', async () => {
    const [info] = JSON.parse(JSON.stringify(line(101).reply)).infos
    const withEvent = (event: object) => {
      says({ infos: [{ ...info, blockInfo: { events: [event] } }] })
      return client().blockInfo(hashOf(101), 9, 0)
    }
    expect(await withEvent({ rollback: {} })).toMatchObject([{ events: [{ kind: 'unknown' }] }])
    const odd = { withdrawalBundle: { m6id: { hex: 'ab'.repeat(32) }, event: { burnt: {} } } }
    expect(await withEvent(odd)).toMatchObject([{ events: [{ became: 'unknown' }] }])
    const { deposit } = info.blockInfo.events[0]
    expect(await withEvent({ deposit: { ...deposit, output: {} } })).toMatchObject([
      { events: [{ kind: 'deposit', value: 0n, address: new Uint8Array() }] },
    ])
    expect(await failing(withEvent({ deposit: { ...deposit, outpoint: {} } }))).toBeInstanceOf(
      NodeUnreachable,
    )
  })

  test('reads 64 bits as text and as a number', async () => {
    for (const value of ['7', 7]) {
      says({
        ctip: { txid: { hex: '00'.repeat(32) }, value, sequenceNumber: '18446744073709551615' },
      })
      expect(await client().ctip(9)).toMatchObject({ value: 7n, sequence: 18446744073709551615n })
    }
  })

  test('gets a header that lets us in with each call', async () => {
    replay(3)
    await client('Bearer sesame').sidechains()
    expect(enforcer.last().headers).toMatchObject({ authorization: 'Bearer sesame' })
  })
})
