import { Block } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import { messageScript, readMessage } from '../../src/bmm/messages.ts'
import { readRequest, requestScript } from '../../src/bmm/request.ts'
import { readTreasuryOutput } from '../../src/lib/bitcoin/drivechain.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import recorded from '../vectors/bmm-blocks.json' with { type: 'json' }
import { type ChainState, complaintOf } from './judge.ts'
import { recordedBlock } from './recorded.ts'

const NOP5 = 0xb4
const SLOT_ACTIVE_FROM = 9

/** What a recording says of a block, in the words of its labels. */
const READS: Readonly<Record<string, readonly string[]>> = {
  M1: ['M1 proposal of slot 9'],
  M2: ['M2 ack for slot 9', 'M2 ack for slot 9: the last one, it activates the slot'],
  M3: ['M3 bundle proposal; M4 votes'],
  M4: ['M4 abstain; ordinary', 'M4 upvote for the bundle', 'two M4'],
  M7: ['own M7 for slot 9, without an M8', 'two M7 for slot 9', 'two M8 bids; M7'],
}
/** The enforcer's words, and the judge's for the same. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/not accepted by miners/, 'M8 without its M7'],
  [/M7 for slot `9` already included/, 'two M7'],
  [/Multiple BMM requests/, 'two M8'],
  [/M4 already included/, 'two M4'],
  [/No pending withdrawal/, 'vote for no withdrawal'],
  [/is spent without/, 'treasury spent, none made'],
  [/zero sats/, 'treasury unchanged'],
  [/Invalid M6 withdrawal/, 'withdrawal not voted for'],
  [/BMM request expired/, 'M8 expired'],
  [/Old Ctip .* is unspent/, 'old treasury unspent'],
]

/** The treasury coin that the last block before a height left. */
function treasuryBefore(chain: string, height: number): ChainState['treasuries'] {
  const made = recorded.blocks
    .filter(block => block.chain === chain && block.height < height && block.refused === null)
    .flatMap(block => Block.fromBuffer(fromHex(block.hex)).transactions ?? [])
    .flatMap(transaction =>
      transaction.outs.flatMap(({ script, value }, vout) =>
        readTreasuryOutput(script, NOP5) === 9
          ? [{ coin: `${transaction.getId()}:${vout}`, value }]
          : [],
      ),
    )
  const last = made.at(-1)
  return new Map(last ? [[9, last]] : [])
}

const BUNDLE = toHex(
  recordedBlock('M3 bundle proposal; M4 votes').transactions?.[0]?.outs[0]?.script ?? fromHex(''),
).slice(-64)

function stateBefore(chain: string, height: number): ChainState {
  const isPending = chain === 'life' && height > 125 && height <= 131
  return {
    opcode: NOP5,
    active: new Set(height >= SLOT_ACTIVE_FROM ? [9] : []),
    treasuries: treasuryBefore(chain, height),
    ready: new Set(height === 131 ? [BUNDLE] : []),
    pending: new Map([[9, isPending ? 1 : 0]]),
  }
}

describe('of the blocks that a real enforcer judged', () => {
  // In that chain an earlier deposit was not recorded, so the coin that this one spends is unknown.
  const judged = recorded.blocks.filter(block => block.contains !== 'M5; later orphaned')
  for (const { contains, refused, hex, chain, height } of judged)
    test(`the judge says the same about "${contains}" at ${height}`, () => {
      const words = refused && REFUSALS.find(([pattern]) => pattern.test(refused))?.[1]
      expect(words).not.toBeUndefined()
      expect(complaintOf(fromHex(hex), stateBefore(chain, height))).toBe(words)
    })

  test('every message and bid is read, and written byte for byte', () => {
    const seen = new Map<string, Set<string>>()
    const saw = (kind: string, contains: string) =>
      seen.set(kind, (seen.get(kind) ?? new Set()).add(contains))
    for (const { hex, contains } of recorded.blocks) {
      const [coinbase, ...rest] = Block.fromBuffer(fromHex(hex)).transactions ?? []
      for (const { script } of coinbase?.outs ?? []) {
        const message = readMessage(script)
        if (message) saw(message.kind, contains)
        if (message) expect(toHex(messageScript(message))).toBe(toHex(script))
      }
      for (const transaction of rest) {
        const script = transaction.outs[0]?.script ?? fromHex('')
        const bid = readRequest(script)
        if (bid) saw('M8', contains)
        if (bid) expect(toHex(requestScript(bid))).toBe(toHex(script))
      }
    }
    for (const [kind, blocks] of Object.entries(READS))
      for (const contains of blocks) expect(seen.get(kind), kind).toContain(contains)
    expect([...(seen.get('M8') ?? [])].every(contains => contains.includes('M8'))).toBe(true)
    expect(seen.get('M8')?.size).toBe(6)
  })
})
