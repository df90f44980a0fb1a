import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import { accountId, blockHash, jobId, unixMs } from '../../../src/lib/ids.ts'
import { createDuplicates } from '../../../src/pool/duplicates.ts'
import { jobFrom } from '../../../src/pool/job.ts'
import { type CheckShares, createShareCheck } from '../../../src/pool/share.ts'
import type { Effect } from '../../../src/pool/stratum/session-state.ts'
import vectors from '../../vectors/notify.json' with { type: 'json' }
import {
  codeOf,
  errorOf,
  jobOf,
  kinds,
  LEASE,
  NOW,
  RULE,
  sent,
  submitLine,
  talk,
  templateOf,
  through,
  WORKER,
} from './fixtures.ts'

let check: CheckShares
const fresh = async () => {
  check = createShareCheck(createDuplicates())
}
beforeAll(fresh)

const subscribeLine = { id: 1, method: 'mining.subscribe', params: ['test/1'] }
const methods = (effects: readonly Effect[]) =>
  sent(effects).map(each => each['method'] ?? `result ${JSON.stringify(each['id'])}`)

describe('opening', () => {
  test('nothing goes out before the subscribe result, and a difficulty before the first job', () => {
    const it = talk()
    expect(kinds(it.say(subscribeLine))).toEqual(['open'])
    const effects = it.feed({ kind: 'opened', lease: LEASE })
    expect(methods(effects)).toEqual(['result 1', 'mining.set_difficulty', 'mining.notify'])
    const token = '0102030405060708'
    expect(sent(effects)[0]?.['result']).toEqual([
      [
        ['mining.set_difficulty', token],
        ['mining.notify', token],
      ],
      '00010002',
      8,
    ])
  })
  test('requests that come before the lease are answered after it, in their order', () => {
    const it = talk()
    it.say(subscribeLine)
    expect(it.say({ id: 2, method: 'mining.ping' })).toEqual([])
    expect(it.say({ id: 3, method: 'mining.authorize', params: ['w', ''] })).toEqual([])
    const effects = it.feed({ kind: 'opened', lease: LEASE })
    expect(methods(effects).slice(3)).toEqual(['result 2'])
    expect(kinds(effects).at(-1)).toBe('authorize')
  })
  test('configure is answered before subscribe', () => {
    const it = talk()
    const extensions = ['version-rolling', 'minimum-difficulty', 'info', 'unheard-of']
    const options = { 'version-rolling.mask': 'ffffffff', 'minimum-difficulty.value': 3 }
    const line = { id: 9, method: 'mining.configure', params: [extensions, options] }
    expect(sent(it.say(line))[0]?.['result']).toEqual({
      'version-rolling': true,
      'version-rolling.mask': '1fffe000',
      'minimum-difficulty': true,
      info: true,
      'unheard-of': false,
    })
    expect(it.say(subscribeLine)).toMatchObject([{ kind: 'open', startLog2: 2 }])
  })
  test('without work the first job comes when there is some', () => {
    const it = talk({ job: null })
    it.say(subscribeLine)
    expect(methods(it.feed({ kind: 'opened', lease: LEASE }))).toEqual(['result 1'])
    expect(methods(it.publish(jobOf(1n)))).toEqual(['mining.set_difficulty', 'mining.notify'])
  })
  test('a lease that cannot be committed ends the connection with an error', () => {
    const it = talk()
    it.say(subscribeLine)
    const effects = it.feed({ kind: 'not opened' })
    expect(codeOf(effects)).toBe(20)
    expect(kinds(effects).at(-1)).toBe('hang up')
  })
  test('who never subscribes, never authorizes, or only talks, is hung up on', () => {
    const silent = talk()
    silent.wait(15_001)
    expect(kinds(silent.feed({ kind: 'tick' }))).toEqual(['hang up'])
    const nameless = talk()
    nameless.say(subscribeLine)
    nameless.feed({ kind: 'opened', lease: LEASE })
    nameless.wait(30_000)
    expect(kinds(nameless.feed({ kind: 'tick' }))).toEqual([])
    nameless.wait(30_001)
    expect(kinds(nameless.feed({ kind: 'tick' }))).toEqual(['hang up'])
    const gibberish = talk()
    for (let i = 0; i < 10; i++) expect(kinds(gibberish.say('?'))).toEqual(['send'])
    expect(kinds(gibberish.say('?')).at(-1)).toBe('hang up')
    const chatter = talk()
    for (let i = 0; i < 100; i++) chatter.say({ id: 1, method: 'mining.ping' })
    expect(kinds(chatter.say({ id: 1, method: 'mining.ping' })).at(-1)).toBe('hang up')
  })
})

describe('authorizing', () => {
  const authorizeLine = (id: number, name: string) => ({
    id,
    method: 'mining.authorize',
    params: [name, 'x'],
  })
  const answered = (requestId: number, username: string, account = WORKER.accountId) =>
    ({
      kind: 'authorize answered',
      ...{ requestId, username, wishLog2: null },
      answer: { kind: 'authorized', worker: { ...WORKER, accountId: account }, finder: null },
    }) as const

  test('comes after subscribing', () => {
    expect(codeOf(talk().say(authorizeLine(1, 'w')))).toBe(25)
  })
  test('a refusal says why', () => {
    const it = talk()
    it.ready()
    it.say(authorizeLine(5, 'bad'))
    const answer = { kind: 'refused', reason: 'no such address' } as const
    const event = { kind: 'authorize answered', requestId: 5, username: 'bad' } as const
    const effects = it.feed({ ...event, wishLog2: null, answer })
    expect(errorOf(effects)).toEqual([24, 'no such address', null])
  })
  test('a miner that goes on asking for names it does not get is hung up on', () => {
    const it = talk()
    it.ready()
    const answer = { kind: 'refused', reason: 'another payee' } as const
    const ended = Array.from({ length: 101 }, (_, i) => {
      const [requestId, username] = [5 + i, `other${i}`]
      it.say(authorizeLine(requestId, username))
      return kinds(it.feed({ ...answered(requestId, username), answer })).includes('hang up')
    })
    expect(ended.indexOf(true)).toBe(100)
    expect(it.say(authorizeLine(999, 'more'))).toEqual([])
  })
  test('a second worker of the payee is welcome, a second payee is not', () => {
    const it = talk()
    it.ready()
    it.say(authorizeLine(5, 'w.2'))
    expect(sent(it.feed(answered(5, 'w.2')))[0]?.['result']).toBe(true)
    it.say(authorizeLine(6, 'other'))
    expect(codeOf(it.feed(answered(6, 'other', accountId(8n))))).toBe(24)
  })
  test('a session that came back keeps its payee', () => {
    const it = talk({ lease: { ...LEASE, accountId: accountId(8n) } })
    const effects = it.ready()
    expect(codeOf(effects)).toBe(24)
  })
})

describe('version rolling', () => {
  // The three ways in which firmware combines agree once the mask leaves out what is set.
  const rows: [base: number, bits: string, version: number | null][] = [
    [0x20000000, '00004000', 0x20004000],
    [0x20000000, '1fffe000', 0x3fffe000],
    [0x20800000, '00004000', 0x20804000],
    [0x20800000, '00804000', null],
    [0x20000000, '00000001', null],
    [0x20000000, '20000000', null],
  ]
  for (const [base, bits, version] of rows)
    test(`${bits} on ${base.toString(16)} gives ${version?.toString(16) ?? 'an error'}`, () => {
      const it = talk({ job: jobOf(1n, templateOf({ version: base })) })
      it.say({ id: 1, method: 'mining.configure', params: [['version-rolling'], {}] })
      it.ready()
      const [effect] = it.say(submitLine({ bits }))
      if (effect?.kind !== 'check') throw new Error('not checked')
      const { candidate } = effect.pending
      if (version === null) expect(candidate.refusal).toBe('bad-version')
      else expect(candidate).toMatchObject({ version, refusal: null })
    })
  test('refused bits are hashed as BIP 310 combines them, for it may be a block', () => {
    const it = talk({ job: jobOf(1n, templateOf({ version: 0x20800000 })) })
    it.ready()
    const [effect] = it.say(submitLine({ bits: '00804000' }))
    const refusal = 'bad-version'
    expect(effect).toMatchObject({ pending: { candidate: { version: 0x20804000, refusal } } })
  })
  test('a mask that changes with the template is said before the job', () => {
    const it = talk()
    it.say({ id: 1, method: 'mining.configure', params: [['version-rolling'], {}] })
    it.ready()
    const effects = it.publish(jobOf(2n, templateOf({ version: 0x20800000 })))
    expect(methods(effects)).toEqual(['mining.set_version_mask', 'mining.notify'])
    expect(sent(effects)[0]?.['params']).toEqual(['1f7fe000'])
  })
})

describe('difficulty', () => {
  const job = (id: bigint, atMs: number) => jobOf(id, templateOf(), unixMs(NOW + atMs), false)
  const suggest = { id: 3, method: 'mining.suggest_difficulty', params: [1000] }

  test('a wish is stored first and comes with the first job made a second later', () => {
    const it = talk()
    it.ready()
    const [answer, save] = it.say(suggest)
    expect(answer?.kind).toBe('send')
    expect(save).toMatchObject({ kind: 'save steps', step: { fromMs: NOW + 1000, log2: 10 } })
    if (save?.kind !== 'save steps') return
    expect(save.steps).toHaveLength(2)
    expect(methods(it.feed({ kind: 'step saved', step: save.step, ok: true }))).toEqual([])
    expect(methods(it.publish(job(2n, 999)))).toEqual(['mining.notify'])
    expect(sent(it.publish(job(3n, 1000)))[0]).toMatchObject({ params: [1024] })
  })
  test('a minimum in the password is asked for with the answer, and vardiff keeps to it', () => {
    const it = talk({ rule: { ...RULE, startLog2: -10 } })
    it.say(subscribeLine)
    it.feed({ kind: 'opened', lease: { ...LEASE, steps: [{ fromMs: unixMs(0), log2: -10 }] } })
    it.say({ id: 2, method: 'mining.authorize', params: ['w', 'x,md=16'] })
    const answer = { kind: 'authorized', worker: WORKER, finder: null } as const
    const about = { requestId: 2, username: 'w', wishLog2: null, answer }
    const [, save] = it.feed({ kind: 'authorize answered', ...about })
    expect(save).toMatchObject({ kind: 'save steps', step: { log2: 4 } })
    if (save?.kind === 'save steps') it.feed({ kind: 'step saved', step: save.step, ok: true })
    it.publish(job(2n, 2000))
    it.wait(100_000)
    expect(kinds(it.feed({ kind: 'tick' }))).not.toContain('save steps')
  })
  test('each job keeps the difficulty that it was sent with', () => {
    const it = talk()
    it.ready()
    const save = it.say(suggest).find(effect => effect.kind === 'save steps')
    if (!save) throw new Error('nothing saved')
    it.feed({ kind: 'step saved', step: save.step, ok: true })
    it.publish(job(2n, 5000))
    const enforced = (name: string) => {
      const [effect] = it.say(submitLine({ job: name }))
      return effect?.kind === 'check' ? effect.pending.candidate.difficultyLog2 : null
    }
    expect([enforced('1'), enforced('2')]).toEqual([-32, 10])
  })
  test('a step saved too late for a job that is out is asked for again', () => {
    const it = talk()
    it.ready()
    const save = it.say(suggest).find(effect => effect.kind === 'save steps')
    if (!save) throw new Error('nothing saved')
    it.wait(3000)
    expect(methods(it.publish(job(2n, 2000)))).toEqual(['mining.notify'])
    const again = it.feed({ kind: 'step saved', step: save.step, ok: true })
    expect(again).toMatchObject([{ kind: 'save steps', step: { fromMs: NOW + 4000, log2: 10 } }])
    if (again[0]?.kind === 'save steps') expect(again[0].steps).toHaveLength(2)
  })
  test('a step that could not be saved is asked for again with the next tick', () => {
    const it = talk()
    it.ready()
    const save = it.say(suggest).find(effect => effect.kind === 'save steps')
    if (!save) throw new Error('nothing saved')
    expect(it.feed({ kind: 'step saved', step: save.step, ok: false })).toEqual([])
    it.wait(5000)
    expect(it.feed({ kind: 'tick' })).toMatchObject([{ kind: 'save steps', step: { log2: 10 } }])
  })
  test('is never harder than the block target', () => {
    const target = 0xffffn << 208n
    const it = talk({
      job: jobOf(1n, templateOf({ target })),
      lease: { ...LEASE, steps: [{ fromMs: unixMs(0), log2: 20 }] },
    })
    it.say(subscribeLine)
    const effects = it.feed({
      kind: 'opened',
      lease: { ...LEASE, steps: [{ fromMs: unixMs(0), log2: 20 }] },
    })
    expect(sent(effects)[1]).toMatchObject({ method: 'mining.set_difficulty', params: [1] })
  })
})

test('a block of the chain submitted through a session has its hash', async () => {
  for (const each of vectors.valid) {
    await fresh()
    const { coinbase1, extranonce1, extranonce2, coinbase2 } = each
    const coinbase = fromHex(coinbase1 + extranonce1 + extranonce2 + coinbase2)
    const cut = coinbase1.length / 2 - 10
    const job = jobFrom({
      id: jobId(0xbfn),
      templateId: 1n,
      template: templateOf({
        previousBlock: blockHash(each.previousBlock),
        version: 1,
        bits: Number.parseInt(each.bits, 16),
        target: 0xffffn << 208n,
        minTime: 0,
        curTime: Number.parseInt(each.time, 16),
        branches: each.branches.map(fromHex),
      }),
      coinbase1: coinbase.slice(0, cut),
      coinbase2: coinbase.slice(cut + 12),
      cleanJobs: true,
      createdAt: NOW,
    })
    const lease = { ...LEASE, extranonce1: coinbase.slice(cut, cut + 4) }
    const it = talk({ job, lease })
    it.ready()
    const en2 = toHex(coinbase.slice(cut + 4, cut + 12))
    const line = submitLine({ job: 'bf', en2, time: each.time, nonce: each.nonce })
    const [effect] = through(it, check, it.say(line))
    expect(effect).toMatchObject({
      kind: 'submit block',
      verdict: { kind: 'accepted', proof: { hash: fromHex(each.hash) } },
    })
  }
})

test('the same events give the same effects', () => {
  const lines = fc.array(
    fc.constantFrom<object>(
      subscribeLine,
      submitLine(),
      submitLine({ nonce: '5' }),
      { id: 7, method: 'mining.authorize', params: ['w', 'd=5'] },
      { id: 8, method: 'mining.suggest_difficulty', params: [7] },
      { id: 9, method: 'mining.configure', params: [['version-rolling'], {}] },
    ),
  )
  fc.assert(
    fc.property(lines, conversation => {
      const run = () => {
        const it = talk()
        return conversation.flatMap(line => {
          const effects = it.say(line)
          const opened = effects.some(each => each.kind === 'open')
          return opened ? [...effects, ...it.feed({ kind: 'opened', lease: LEASE })] : effects
        })
      }
      expect(run()).toEqual(run())
    }),
  )
})
