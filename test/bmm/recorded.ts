import { Block } from 'bitcoinjs-lib'
import { fromHex } from '../../src/lib/bytes.ts'
import recorded from '../vectors/bmm-blocks.json' with { type: 'json' }

/** The recorded block that contains just that, in the words of the recording. */
export function recordedBlock(contains: string): Block {
  const found = recorded.blocks.find(block => block.contains === contains)
  if (!found) throw new Error(`no recorded block contains ${contains}`)
  return Block.fromBuffer(fromHex(found.hex))
}
