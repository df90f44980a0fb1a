import { describe, expect, test } from 'vitest'
import { targetFromNbits } from '../../src/lib/bitcoin/target.ts'
import { toHex } from '../../src/lib/bytes.ts'
import { blockHash, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { BlockTemplateReply } from '../../src/lib/nodes/block-template.ts'
import { readTemplate, wantsSignature } from '../../src/pool/template.ts'

const BITS = 0x1d00ffff
const TARGET = targetFromNbits(BITS) ?? 0n
const COMMITMENT = Uint8Array.from([0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed, ...new Uint8Array(32)])
const reply: BlockTemplateReply = {
  height: 840_000,
  previousBlock: blockHash('00'.repeat(31).concat('01')),
  version: 0x20000000,
  bits: BITS,
  target: TARGET,
  minTime: 1000,
  curTime: 2000,
  value: sats(312_500_777n),
  commitments: [],
  isEnforced: false,
  rules: ['csv', '!segwit', 'taproot'],
  mutable: ['time', 'transactions', 'prevblock'],
  longPollId: 'tip17',
  witnessCommitment: COMMITMENT,
  signetChallenge: null,
  transactions: [
    {
      txid: txid('11'.repeat(32)),
      wtxid: '22'.repeat(32),
      data: Uint8Array.of(1, 2),
      fee: sats(777n),
      weight: 400,
      sigops: 4,
    },
  ],
}

describe('a template', () => {
  test('keeps what the node said, with subsidy and branches worked out', () => {
    const outcome = readTemplate(reply, 'mainnet')
    if (outcome.kind !== 'template') throw new Error(outcome.detail)
    const { template } = outcome
    expect(template).toMatchObject({
      height: 840_000,
      previousBlock: reply.previousBlock,
      target: TARGET,
      value: 312_500_777n,
      subsidy: 312_500_000n,
      longPollId: 'tip17',
    })
    expect(template.branches.map(toHex)).toEqual(['11'.repeat(32)])
    expect(toHex(template.blockTransactions)).toBe('010102')
    expect(template.mutable.has('prevblock')).toBe(true)
  })
})

describe('a template is refused', () => {
  const refusal = (
    changed: Partial<BlockTemplateReply>,
    network: 'mainnet' | 'regtest' | 'signet',
  ) => {
    const outcome = readTemplate({ ...reply, ...changed }, network)
    return outcome.kind === 'refused' ? outcome.reason : outcome.kind
  }

  test('where its target is not that of its bits, but a devnet may harden it', () => {
    const reason = 'target is not the expansion of bits'
    expect(refusal({ target: TARGET - 1n }, 'mainnet')).toBe(reason)
    expect(refusal({ target: TARGET + 1n }, 'mainnet')).toBe(reason)
    expect(refusal({ bits: 0xff123456 }, 'mainnet')).toBe(reason)
    const regtest = { height: 1, value: sats(5_000_000_000n) }
    expect(refusal({ ...regtest, target: TARGET - 1n }, 'regtest')).toBe('template')
    expect(refusal({ ...regtest, target: TARGET + 1n }, 'regtest')).toBe(reason)
  })

  test('where it needs a rule that we do not keep', () => {
    expect(refusal({ rules: ['!segwit', '!future'] }, 'mainnet')).toBe(
      'rules that this pool does not know',
    )
    expect(refusal({ rules: ['segwit', 'future'] }, 'mainnet')).toBe('template')
    expect(refusal({ rules: ['csv'] }, 'mainnet')).toBe('segwit is not active')
  })

  test('where its facts contradict each other', () => {
    const reason = 'malformed template'
    expect(refusal({ value: sats(312_499_999n) }, 'mainnet')).toBe(reason)
    expect(refusal({ witnessCommitment: null }, 'mainnet')).toBe(reason)
    expect(refusal({ witnessCommitment: COMMITMENT.slice(0, 37) }, 'mainnet')).toBe(reason)
    expect(refusal({ witnessCommitment: COMMITMENT.map(byte => byte ^ 1) }, 'mainnet')).toBe(reason)
    expect(refusal({ witnessCommitment: null, transactions: [] }, 'mainnet')).toBe('template')
  })
})

test('a signet whose blocks want a signature is told from one that anyone may mine', () => {
  const signed = { ...reply, signetChallenge: Uint8Array.of(0x51, 0x21) }
  const open = { ...reply, signetChallenge: Uint8Array.of(0x51) }
  expect(wantsSignature(signed)).toBe(true)
  expect(wantsSignature(open)).toBe(false)
  expect(wantsSignature({ ...reply, signetChallenge: null })).toBe(false)
})
