import { expect, test } from 'vitest'
import { blockHash } from '../../src/lib/ids.ts'
import type { BlockHeaderInfo } from '../../src/lib/nodes/bitcoind-client.ts'
import { emptyTemplateOn } from '../../src/pool/empty-template.ts'
import type { Template } from '../../src/pool/template.ts'
import { NOW, templateOf } from './stratum/fixtures.ts'

const [OLD, NEW, OTHER] = ['aa', 'bb', 'cc'].map(byte => blockHash(byte.repeat(32)))
const HEIGHT = 900_000
const current: Template = {
  ...templateOf({ height: HEIGHT, ...(OLD ? { previousBlock: OLD } : {}) }),
  ...{ isEnforced: true, wantsSignature: false, transactions: [], mutable: new Set() },
  longPollId: 'of the tip before',
}
const tip: BlockHeaderInfo = {
  hash: NEW ?? blockHash(''),
  height: HEIGHT,
  confirmations: 1,
  previousBlock: current.previousBlock,
  time: 1_699_999_990,
  medianTime: 1_699_999_000,
}
const on = (
  header: Partial<BlockHeaderInfo>,
  network: 'mainnet' | 'testnet4' | 'signet' | 'regtest',
) => emptyTemplateOn({ ...tip, ...header }, current, { network, now: NOW })

test('has the subsidy alone, and keeps what does not change from block to block', () => {
  expect(on({}, 'mainnet')).toMatchObject({
    ...{ height: HEIGHT + 1, previousBlock: NEW, value: 312_500_000n, subsidy: 312_500_000n },
    ...{ bits: current.bits, target: current.target, version: current.version },
    ...{ minTime: 1_699_999_001, curTime: Math.floor(NOW / 1000) },
    ...{ transactions: [], branches: [], commitments: [], witnessCommitment: null },
    blockTransactions: Uint8Array.of(0),
  })
})

test('is never older than the chain allows, however slow the clock is', () => {
  const early = Math.floor(NOW / 1000) + 50
  expect(on({ medianTime: early }, 'mainnet')).toMatchObject({
    minTime: early + 1,
    curTime: early + 1,
  })
})

test.each([
  ['another parent', { previousBlock: OTHER ?? null }, 'mainnet'],
  ['no parent', { previousBlock: null }, 'mainnet'],
  ['another height', { height: HEIGHT + 1 }, 'mainnet'],
  ['a testnet that lowers its target with any block', {}, 'testnet4'],
] as const)('is not made on %s', (_what, header, network) => {
  expect(on(header, network)).toBeNull()
})

test('is not made where the target changes with the block, except on regtest, where it never does', () => {
  const last = 2016 * 400 - 1
  const before = { ...current, height: last }
  const at = (network: 'mainnet' | 'signet' | 'regtest') =>
    emptyTemplateOn({ ...tip, height: last }, before, { network, now: NOW })
  expect([at('mainnet'), at('signet')]).toEqual([null, null])
  expect(at('regtest')?.height).toBe(last + 1)
})
