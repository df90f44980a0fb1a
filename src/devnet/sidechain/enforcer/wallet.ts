import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { requestScript } from '../../../bmm/index.ts'
import { parseAddress } from '../../../lib/bitcoin/address.ts'
import { type DrivechainOpcode, treasuryScript } from '../../../lib/bitcoin/drivechain.ts'
import { opReturn } from '../../../lib/bitcoin/script.ts'
import type { Output } from '../../../lib/bitcoin/tx.ts'
import { fromHex, reversed, utf8 } from '../../../lib/bytes.ts'
import type { BlockHash } from '../../../lib/ids.ts'
import { callNode, type NodeRpc } from '../../node-rpc.ts'
import type { TreasuryCoin } from './peg-state.ts'
import { satsOf } from './sats-of.ts'

/** What came of making and sending a transaction. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly txid: string }
  /** Made and signed, and the node would not have it: it may still come into a block. */
  | { readonly kind: 'not relayed'; readonly txid: string }
  | { readonly kind: 'no funds' }

/** A deposit that the wallet made. */
export type MadeDeposit = {
  /** Whether the node took it. One that was refused the real wallet has only from a block. */
  readonly isSent: boolean
  readonly slot: number
  readonly txid: string
  readonly raw: string
  readonly feeSats: bigint
  readonly valueSats: bigint
}

/** The enforcer's wallet; here one of the node's own, which the real enforcer does without. */
export type EnforcerWallet = {
  readonly newAddress: () => Promise<string>
  /** Satoshis. Pending is what is unconfirmed or immature. */
  readonly balance: () => Promise<{ readonly confirmed: bigint; readonly pending: bigint }>
  /** The text is put into the deposit as it is: nobody checks that it is an address. */
  readonly deposit: (deposit: {
    readonly slot: number
    readonly opcode: DrivechainOpcode
    readonly treasury: TreasuryCoin | null
    readonly address: string
    readonly valueSats: bigint
    readonly feeSats: bigint
  }) => Promise<SendOutcome>
  /** An M8. The bid is its fee. */
  readonly bid: (bid: {
    readonly slot: number
    readonly sideBlock: string
    readonly previousBlock: BlockHash
    readonly feeSats: bigint
    readonly locktime: number
  }) => Promise<SendOutcome>
  /** All of them, for whoever puts one into a block that the node would not relay. */
  readonly deposits: () => readonly MadeDeposit[]
}

const NAME = 'simulated-enforcer'
/** What bitcoind's wallet calls dust; less than that is left to the miners. */
const CHANGE_MIN_SATS = 546n
/** Replaceable, as the real wallet's. */
const SEQUENCE = 0xfffffffd
const TREASURY_SEQUENCE = 0xffffffff

const coinList = z.array(
  z.object({ txid: z.string(), vout: z.number(), amount: z.number(), confirmations: z.number() }),
)
const signedReply = z.object({ hex: z.string() })
const balances = z.object({
  mine: z.object({ trusted: z.number(), untrusted_pending: z.number(), immature: z.number() }),
})

type Coin = { readonly txid: string; readonly vout: number; readonly value: bigint }

/** Makes or loads the wallet in the node. */
export async function enforcerWallet(rpc: NodeRpc): Promise<EnforcerWallet> {
  const made = await callNode(rpc, 'createwallet', NAME, false, false, '', false, true, true).catch(
    () => null,
  )
  if (made === null) await callNode(rpc, 'loadwallet', NAME).catch(() => null)
  const ofWallet = { ...rpc, url: `${rpc.url}/wallet/${NAME}` }
  const call = (method: string, ...params: readonly unknown[]) =>
    callNode(ofWallet, method, ...params)
  const deposits: MadeDeposit[] = []

  /** Confirmed coins first, the largest first; its own change when nothing else is left. */
  async function fund(need: bigint): Promise<readonly Coin[] | null> {
    const all = coinList.parse(await call('listunspent', 0))
    const sorted = all.sort((a, b) => {
      const isConfirmed = Number(b.confirmations > 0) - Number(a.confirmations > 0)
      return isConfirmed !== 0 ? isConfirmed : b.amount - a.amount
    })
    const chosen: Coin[] = []
    let total = 0n
    for (const { txid, vout, amount } of sorted) {
      if (total >= need) break
      const value = satsOf(amount)
      total += value
      chosen.push({ txid, vout, value })
    }
    return total >= need ? chosen : null
  }

  async function changeScript(): Promise<Uint8Array> {
    const address = z.string().parse(await call('getrawchangeaddress', 'bech32'))
    const parsed = parseAddress(address, 'regtest')
    if (parsed.kind !== 'address') throw new Error("the node's own address is one of regtest")
    return parsed.script
  }

  /** Signs all inputs but the treasury's, which needs no signature. */
  async function make(plan: {
    readonly treasury: TreasuryCoin | null
    readonly outputs: readonly Output[]
    readonly feeSats: bigint
    readonly locktime: number
  }): Promise<string | null> {
    const { treasury, outputs, feeSats, locktime } = plan
    const paid = outputs.reduce((sum, { value }) => sum + value, 0n)
    const need = paid - (treasury?.value ?? 0n) + feeSats
    const coins = await fund(need)
    if (coins === null) return null
    const transaction = new Transaction()
    transaction.version = 2
    transaction.locktime = locktime
    if (treasury !== null) addInput(transaction, treasury, TREASURY_SEQUENCE)
    for (const coin of coins) addInput(transaction, coin, SEQUENCE)
    for (const { script, value } of outputs) transaction.addOutput(script, value)
    const change = coins.reduce((sum, { value }) => sum + value, 0n) - need
    if (change >= CHANGE_MIN_SATS) transaction.addOutput(await changeScript(), change)
    const signed = await call('signrawtransactionwithwallet', transaction.toHex())
    return signedReply.parse(signed).hex
  }

  async function send(raw: string): Promise<SendOutcome> {
    const txid = Transaction.fromHex(raw).getId()
    const isSent = await call('sendrawtransaction', raw, 0).then(
      () => true,
      () => false,
    )
    return { kind: isSent ? 'sent' : 'not relayed', txid }
  }

  return {
    newAddress: async () => z.string().parse(await call('getnewaddress', '', 'bech32')),
    async balance() {
      const { mine } = balances.parse(await call('getbalances'))
      const pending = satsOf(mine.untrusted_pending) + satsOf(mine.immature)
      return { confirmed: satsOf(mine.trusted), pending }
    },
    async deposit({ slot, opcode, treasury, address, valueSats, feeSats }) {
      const outputs = [
        { value: (treasury?.value ?? 0n) + valueSats, script: treasuryScript({ slot, opcode }) },
        { value: 0n, script: opReturn(utf8(address)) },
      ]
      const raw = await make({ treasury, outputs, feeSats, locktime: 0 })
      if (raw === null) return { kind: 'no funds' }
      const outcome = await send(raw)
      if (outcome.kind !== 'no funds')
        deposits.push({
          ...{ isSent: outcome.kind === 'sent', slot, txid: outcome.txid },
          ...{ raw, feeSats, valueSats },
        })
      return outcome
    },
    async bid({ feeSats, locktime, ...request }) {
      const outputs = [{ value: 0n, script: requestScript(request) }]
      const raw = await make({ treasury: null, outputs, feeSats, locktime })
      return raw === null ? { kind: 'no funds' } : send(raw)
    },
    deposits: () => deposits,
  }
}

function addInput(
  transaction: Transaction,
  coin: { readonly txid: string; readonly vout: number },
  sequence: number,
): void {
  transaction.addInput(reversed(fromHex(coin.txid)), coin.vout, sequence)
}
