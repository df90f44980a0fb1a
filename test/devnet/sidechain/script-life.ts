import { descriptionHash, messageScript, readMessage } from '../../../src/bmm/index.ts'
import { readMainBlock } from '../../../src/devnet/sidechain/enforcer/main-block.ts'
import { assert } from '../../../src/lib/assert.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { heightOf, RECORDED_BLOCKS, type ScriptedMain, UPVOTE } from './scripted-main.ts'

/** The last block of each stretch of the life that was not recorded, by its height. */
const ACKED = new Map([
  [4, '0ac6dc5b239f6d57d8be901e2bfa6faed70aa8e6e196886aecb609acf2b5958b'],
  [5, '76ef059e11506adfdcb465c9574e564c14e8a74f1886d8816906f4871df45c36'],
  [6, '6f0955833b4f041dfb570faa8d44a9adaf7684194cea2894b402521a3ede6210'],
  [7, '4f180dfea70c5d865e0fdea46acf42806254d80e7b2b5066718df9c3aa694d01'],
])
const PLAIN = new Map([
  [9, '39a93434908d0ca15cd42eff151553e551384a1afa2395a83e81146b4efaebc1'],
  [112, '257cf1643e9b79e30084446f6438b6a2eb09bd4469e503d0dd127bc6cd1fb7b0'],
  [113, '1df9815d257e3603a488c7527014a175e347757c392ddb91d1929ded5d768be4'],
  [114, '34e4490e785f8b808fbcda3f79415cab24884874da060184f63a8def0ce9998f'],
  [133, '14a2a8c7e43eba7bf86ccd92bedf2d87da124dbd6e47b82e0a7c92bc1f83e722'],
])
const UPVOTED = {
  from: 127,
  to: 130,
  last: '20fcc4908f13c7ecfebe1108ababc8a9ab0ae56523e346c51736952b01e5ce21',
}
const PROPOSAL_BLOCK = '04dfd57cb902dbffbb2ff0f1cc4a4c8d0ec808bbdb21bfc3b8be71514e89ca59'

/** Adds what must lie between the tip and a block of the life. */
export function fillLife(main: ScriptedMain, hex: string): void {
  const { previous } = readMainBlock(fromHex(hex), 0)
  if (main.blocks.stateAfter(previous) !== null) return
  const recorded = RECORDED_BLOCKS.get(previous)
  if (recorded === undefined) {
    fillLifeTo(main, heightOf(hex) - 1)
    return
  }
  fillLife(main, recorded)
  main.submit(recorded)
}

/** Adds the blocks of the life that were not recorded, up to a height. */
export function fillLifeTo(main: ScriptedMain, height: number): void {
  while (main.tip().height < height) {
    const at = main.tip().height + 1
    const previous = main.tip().tip
    const acked = ACKED.get(at)
    if (acked !== undefined) main.fill({ hash: acked, previous, outputs: [ack()] })
    else if (at >= UPVOTED.from && at <= UPVOTED.to)
      main.fill({
        hash:
          at === UPVOTED.to ? UPVOTED.last : `${String(at).padStart(4, '0')}${previous.slice(4)}`,
        previous,
        outputs: [UPVOTE],
      })
    else
      main.fill({
        hash: PLAIN.get(at) ?? `${String(at).padStart(4, '0')}${previous.slice(4)}`,
        previous,
      })
  }
}

/** The vote for the recorded proposal. */
function ack(): Uint8Array {
  const hex = RECORDED_BLOCKS.get(PROPOSAL_BLOCK)
  assert(hex !== undefined, 'the block with the proposal is recorded')
  const [coinbase] = readMainBlock(fromHex(hex), 2).transactions
  const message = readMessage(coinbase?.outputs[0]?.script ?? new Uint8Array())
  assert(message?.kind === 'M1', 'it begins with the proposal')
  return messageScript({
    kind: 'M2',
    slot: 9,
    descriptionHash: descriptionHash(message.description),
  })
}
