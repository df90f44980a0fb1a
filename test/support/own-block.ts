import { Transaction } from 'bitcoinjs-lib'
import { arrangeBlock } from '../../src/bmm/index.ts'
import { transactionReply } from '../../src/commands/own-deposits.ts'
import { DRIVECHAIN_OPCODES } from '../../src/lib/bitcoin/drivechain.ts'
import { HEADER_BYTES, headerHash } from '../../src/lib/bitcoin/header.ts'
import { type BlockHash, blockHash, txid } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { enforcerTemplateClient } from '../../src/lib/nodes/enforcer-template-client.ts'
import { THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import { type Arrange, arrangeTemplate } from '../../src/pool/arrangement.ts'
import { readTemplate } from '../../src/pool/template.ts'
import { jobOn, mineJob, PARTS } from '../bmm/bidding.ts'
import type { NodeCalls } from './bitcoind.ts'

/** What goes into a block of ours besides what the enforcer's template has. */
export type OwnBlock = {
  /** H* of a side block of Thunder to accept, in the place of every bid. */
  readonly accept?: string | undefined
  /** Signed transactions, such as deposits that the node does not relay. */
  readonly transactions?: readonly Uint8Array[]
}

/** Mines a block on the enforcer's template as the pool does. Its node has it then; not yet itself. */
export async function mineOwnBlock(
  node: NodeCalls,
  templateUrl: string,
  { accept, transactions = [] }: OwnBlock,
): Promise<BlockHash> {
  const given = await enforcerTemplateClient(templateUrl).getBlockTemplate()
  const own =
    accept === undefined ? null : { slot: THUNDER_SLOT, sideBlock: accept, yieldsFrom: null }
  const terms = {
    ...{
      opcode: DRIVECHAIN_OPCODES.nop5,
      treasuryCoins: new Set<string>(),
      own,
      failingBundles: new Set<number>(),
    },
    ownTransactions: transactions,
  }
  const append = transactions.map(raw =>
    // What it pays is left to nobody, since nobody tells.
    transactionReply({
      raw,
      txid: txid(Transaction.fromBuffer(raw).getId()),
      fee: sats(0n),
      spent: [],
    }),
  )
  const arrange: Arrange = block => ({ ...arrangeBlock(block, terms), append })
  const arranged = arrangeTemplate(given, arrange, { ...PARTS, bytesMax: 500 })
  const outcome = readTemplate(arranged, 'regtest')
  if (outcome.kind !== 'template') throw new Error(outcome.detail)
  const block = await mineJob(node, jobOn(outcome.template))
  return blockHash(headerHash(block.subarray(0, HEADER_BYTES)))
}
