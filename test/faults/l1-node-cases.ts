import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sats } from '../../src/lib/money.ts'
import { pollUntil } from '../../src/lib/poll.ts'
import { railsToJson } from '../../src/payouts/settings-store.ts'
import { lastBatch, versionsIn } from '../payouts/l1-chain.ts'
import { addressOf, type World } from '../payouts/l1-world.ts'
import type { Case } from './l1-cases.ts'

const PASSPHRASE = 'test only'
/** Longer than any test, in seconds. */
const UNLOCKED_FOR = 1_000_000
const SOON = { everyMs: 20, timeoutMs: 45_000 }
/** Nobody's, and of no other test. */
const NEW_DESTINATION = addressOf(8_000_000)

/** What happens to the node and to its wallet; in this order, since some of it stays. */
export const L1_NODE_CASES: readonly Case[] = [
  {
    number: '24',
    name: 'the coinbase that funds a payment is taken back, and returns',
    play: async ({ world, node }) => {
      await world.advance()
      const { anchor_txid: funding } = await anchorOf(world)
      const height = z.object({ blockheight: z.number() })
      const { blockheight } = height.parse(await node.cli('gettransaction', funding))
      const block = await node.cliText('getblockhash', blockheight)
      await node.cli('invalidateblock', block)
      await world.advance()
      const batch = await lastBatch(world)
      if (batch.state !== 'sent' && batch.state !== 'uncertain')
        throw new Error(`the batch is ${batch.state}: ${batch.note}`)
      await node.cli('reconsiderblock', block)
    },
    ends: 'paid',
  },
  {
    number: '70',
    name: 'a miner asks for another destination after the approval',
    play: async ({ world }) => {
      const { payee_id } = await world.db
        .selectFrom('accounts')
        .select('payee_id')
        .executeTakeFirstOrThrow()
      const wishes = railsToJson([
        { rail: 'l1', minimum: sats(1000n), destination: NEW_DESTINATION },
      ])
      await world.db
        .insertInto('payout_settings')
        .values({
          ...{ payee_id, number: 1, rails: wishes, paused: false, proof: 'bip322' },
          ...{ message: '', signature: '', reason: '', given_ms: 0n, pays_from_ms: 0n },
        })
        .execute()
      await world.advance()
    },
    ends: 'paid',
  },
  {
    number: '14',
    name: 'the wallet is locked when it is to be signed, and unlocked later',
    play: async ({ world, node }) => {
      await node.cli('encryptwallet', PASSPHRASE)
      await world.advance()
      const { state, note } = await lastBatch(world)
      if (state !== 'approved') throw new Error(`the batch is ${state}: ${note}`)
      const mempool = await node.cli('getrawmempool')
      if (JSON.stringify(mempool) !== '[]') throw new Error('something was sent')
      await node.cli('walletpassphrase', PASSPHRASE, UNLOCKED_FOR)
    },
    ends: 'paid',
  },
  {
    number: '30',
    name: 'an operator abandons the transaction in the wallet',
    play: async ({ world, node }) => {
      await world.advance()
      const [version] = await versionsIn(world)
      await node.stop()
      // Else the wallet itself would fill the mempool again.
      const settings = '\nwalletbroadcast=0\npersistmempool=0\n'
      await appendFile(join(node.dir, 'bitcoin.conf'), settings)
      await node.restart()
      await node.cli('walletpassphrase', PASSPHRASE, UNLOCKED_FOR)
      await node.cli('abandontransaction', version?.txid)
      const isBack = async () => {
        await world.advance()
        const mempool = JSON.stringify(await node.cli('getrawmempool'))
        return mempool === JSON.stringify([version?.txid]) ? true : null
      }
      if (!(await pollUntil(isBack, SOON))) throw new Error('it was not sent again')
    },
    ends: 'paid',
  },
]

function anchorOf({ db }: World) {
  return db
    .selectFrom('reserved_outputs')
    .select('txid as anchor_txid')
    .orderBy('batch_id', 'desc')
    .executeTakeFirstOrThrow()
}
