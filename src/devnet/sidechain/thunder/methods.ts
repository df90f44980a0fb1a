import { opReturn } from '../../../lib/bitcoin/script.ts'
import { toHex } from '../../../lib/bytes.ts'
import { depositForm, type ThunderAddress } from '../../../lib/thunder/address.ts'
import {
  blockToJson,
  coinToJson,
  type Json,
  outPointToJson,
  outputToJson,
  signedToJson,
  spentCoinToJson,
  transactionToJson,
} from '../../../lib/thunder/write-json.ts'
import type { RpcOutcome, RpcParams } from '../json-rpc.ts'
import { listOf, readBoolean, readText, readU64 } from '../serde.ts'
import type { Bundle } from './bundle.ts'
import type { NodeOutcome, ThunderNode } from './node.ts'
import {
  readAddress,
  readBlock,
  readMainHash,
  readMainScript,
  readSideHash,
  readSigned,
  readTransaction,
  readTxid,
} from './readers.ts'
import type { WalletOutcome } from './wallet.ts'

/** The nodes that there are, by what their transfer calls mean. */
export const THUNDER_VERSIONS = ['0.16', '0.17.0', '0.17.1', '0.17.2'] as const
export type ThunderVersion = (typeof THUNDER_VERSIONS)[number]

/** Which server has a method where the node has two. */
export type MethodGroup = 'node' | 'private' | 'wallet'

export type ThunderMethod = {
  readonly name: string
  readonly group: MethodGroup
  readonly from: ThunderVersion
  readonly until?: ThunderVersion
  readonly run: (node: ThunderNode, params: RpcParams) => Promise<RpcOutcome> | RpcOutcome
}

const NETWORK = 'regtest'

/**
 * Every call of the node that this stand-in has, with the versions that know it.
 *
 * Source: thunder-rust, rpc-api/lib.rs at the commits that changed it.
 */
export const METHODS: readonly ThunderMethod[] = [
  ...chainMethods(),
  ...coinMethods(),
  ...walletMethods(),
  ...transferMethods(),
  ...miningMethods(),
]

function chainMethods(): ThunderMethod[] {
  return [
    ofNode('getblockcount', ({ chain }) => result(chain.count())),
    ofNode('get_best_sidechain_block_hash', ({ chain }) => result(chain.tip())),
    ofNode('get_best_mainchain_block_hash', ({ chain }) => {
      const tip = chain.tip()
      return result(tip === null ? null : chain.archive.bestInclusion(tip))
    }),
    ofNode('get_bmm_inclusions', ({ chain }, params) =>
      result([...chain.archive.inclusions(params.read(0, 'block_hash', readSideHash))]),
    ),
    ofNode('get_block', ({ chain }, params) => {
      const block = chain.archive.block(params.read(0, 'block_hash', readSideHash))
      return result(block === null ? null : blockToJson(block, NETWORK))
    }),
    ofNode('get_transaction', ({ chain }, params) => {
      const found = chain.findTransaction(params.read(0, 'txid', readTxid))
      if (found === null) return result(null)
      const tx = transactionToJson(found.transaction, NETWORK)
      return result({ tx, block_hash: found.blockHash })
    }),
    ofNode('sidechain_wealth', ({ chain }) => result(Number(chain.coins.wealth()))),
    ofNode('pending_withdrawal_bundle', ({ chain }) => {
      const bundle = chain.pendingBundle()
      return result(bundle === null ? null : bundleJson(bundle))
    }),
    ofNode('latest_failed_withdrawal_bundle_height', ({ chain }) =>
      result(chain.bundles().failedAt),
    ),
    // It is alone in its network.
    ofNode('list_peers', () => result([])),
    ...['connect_peer', 'forget_peer'].map(name => ofPrivate(name, () => result(null))),
    ofPrivate('remove_from_mempool', ({ chain }, params) => {
      chain.mempool.remove(params.read(0, 'txid', readTxid))
      return result(null)
    }),
    {
      ...ofPrivate('invalidate_block', ({ invalidate }, params) =>
        outcomeOf(invalidate(params.read(0, 'block_hash', readSideHash)), value => value),
      ),
      from: '0.17.2',
    },
  ]
}

function coinMethods(): ThunderMethod[] {
  const addresses = (params: RpcParams): ReadonlySet<ThunderAddress> =>
    new Set(params.read(0, 'addresses', listOf(readAddress)))
  return [
    {
      ...ofNode('get_utxos', ({ chain }, params) =>
        result(chain.coins.of(addresses(params)).map(coin => coinToJson(coin, NETWORK))),
      ),
      from: '0.17.1',
    },
    {
      ...ofNode('get_stxos', ({ chain }, params) =>
        result(chain.coins.spentOf(addresses(params)).map(coin => spentCoinToJson(coin, NETWORK))),
      ),
      from: '0.17.1',
    },
    ofNode('list_utxos', ({ chain }) =>
      result(chain.coins.all().map(coin => coinToJson(coin, NETWORK))),
    ),
  ]
}

function walletMethods(): ThunderMethod[] {
  return [
    ofWallet('balance', ({ wallet }) => {
      const { total, available } = wallet.balance()
      return result({ total_sats: Number(total), available_sats: Number(available) })
    }),
    ofWallet('get_new_address', ({ wallet }) => outcomeOf(wallet.newAddress(), value => value)),
    ofWallet('get_wallet_addresses', ({ wallet }) => result([...wallet.addresses()])),
    ofWallet('get_wallet_utxos', ({ wallet }) =>
      result(wallet.coins().map(coin => coinToJson(coin, NETWORK))),
    ),
    ofWallet('format_deposit_address', (_, params) =>
      result(depositForm(params.read(0, 'address', readAddress))),
    ),
    ofWallet('set_seed_from_mnemonic', ({ wallet }, params) =>
      outcomeOf(wallet.setSeed(params.read(0, 'mnemonic', readText)), value => value),
    ),
  ]
}

function transferMethods(): ThunderMethod[] {
  return [
    { ...ofWallet('transfer', sendTransfer), until: '0.16' },
    { ...ofWallet('withdraw', sendWithdrawal), until: '0.16' },
    {
      ...ofWallet('create_transfer', (each, params) =>
        outcomeOf(buildTransfer(each, params), built => transactionToJson(built, NETWORK)),
      ),
      from: '0.17.0',
      until: '0.17.0',
    },
    { ...ofWallet('create_transfer', sendTransfer), from: '0.17.1' },
    { ...ofWallet('create_withdrawal', sendWithdrawal), from: '0.17.0' },
    {
      ...ofWallet('sign_transaction', ({ wallet, submit }, params) => {
        const transaction = params.read(0, 'transaction', readTransaction)
        const isSent = params.readOptional(1, 'broadcast', readBoolean) === true
        const signed = wallet.sign(transaction)
        if (signed.kind === 'refused') return refused(signed.text)
        const sent = isSent ? submit(signed.value) : null
        if (sent?.kind === 'refused') return refused(sent.text)
        return result(signedToJson(signed.value, NETWORK))
      }),
      from: '0.17.0',
    },
    {
      ...ofNode('submit_transaction', ({ submit }, params) =>
        outcomeOf(submit(params.read(0, 'transaction', readSigned)), id => id),
      ),
      from: '0.17.0',
    },
  ]
}

function buildTransfer({ wallet, chain }: ThunderNode, params: RpcParams) {
  const address = params.read(0, 'dest', readAddress)
  const value = params.read(1, 'value_sats', readU64)
  const fee = params.read(2, 'fee_sats', readU64)
  return wallet.createTransfer(chain.coins, { address, value, fee })
}

function sendTransfer(each: ThunderNode, params: RpcParams): RpcOutcome {
  return signAndSend(each, buildTransfer(each, params))
}

function sendWithdrawal(each: ThunderNode, params: RpcParams): RpcOutcome {
  const mainScript = params.read(0, 'mainchain_address', readMainScript)
  const value = params.read(1, 'amount_sats', readU64)
  const fee = params.read(2, 'fee_sats', readU64)
  const mainFee = params.read(3, 'mainchain_fee_sats', readU64)
  const withdrawal = { mainScript, value, mainFee, fee }
  return signAndSend(each, each.wallet.createWithdrawal(each.chain.coins, withdrawal))
}

function signAndSend(
  { wallet, submit }: ThunderNode,
  built: ReturnType<ThunderNode['wallet']['createTransfer']>,
): RpcOutcome {
  if (built.kind === 'refused') return refused(built.text)
  const signed = wallet.sign(built.value)
  return signed.kind === 'refused'
    ? refused(signed.text)
    : outcomeOf(submit(signed.value), id => id)
}

function miningMethods(): ThunderMethod[] {
  return [
    {
      ...ofWallet('get_block_template', async ({ template }) =>
        outcomeOf(await template(), ({ criticalHash, block, fees }) => ({
          critical_hash: criticalHash,
          block: blockToJson(block, NETWORK),
          fees_sats: Number(fees),
        })),
      ),
      from: '0.17.2',
    },
    {
      ...ofNode('connect_block', async ({ connect }, params) => {
        const block = params.read(0, 'block', readBlock)
        const mainHash = params.read(1, 'main_block_hash', readMainHash)
        return outcomeOf(await connect(block, mainHash), isTip => isTip)
      }),
      from: '0.17.2',
    },
    ofWallet('mine', async ({ mine }, params) =>
      outcomeOf(await mine(params.readOptional(0, 'fee', readU64)), value => value),
    ),
    ofWallet('create_deposit', async ({ deposit }, params) => {
      const address = params.read(0, 'address', readAddress)
      const valueSats = params.read(1, 'value_sats', readU64)
      const feeSats = params.read(2, 'fee_sats', readU64)
      return outcomeOf(await deposit({ address, valueSats, feeSats }), txid => txid)
    }),
  ]
}

function bundleJson({ spends, payouts, fee }: Bundle): Json {
  const feeBytes = new Uint8Array(8)
  new DataView(feeBytes.buffer).setBigUint64(0, fee)
  const outputs = [{ value: 0n, script: opReturn(feeBytes) }, ...payouts]
  return {
    spend_utxos: spends.map(({ outPoint, output }) => [
      outPointToJson(outPoint),
      outputToJson(output, NETWORK),
    ]),
    tx: {
      version: 2,
      lock_time: 0,
      input: [],
      output: outputs.map(({ value, script }) => ({
        value: Number(value),
        script_pubkey: toHex(script),
      })),
    },
  }
}

type Run = ThunderMethod['run']

function ofNode(name: string, run: Run): ThunderMethod {
  return { name, group: 'node', from: '0.16', run }
}

function ofPrivate(name: string, run: Run): ThunderMethod {
  return { name, group: 'private', from: '0.16', run }
}

function ofWallet(name: string, run: Run): ThunderMethod {
  return { name, group: 'wallet', from: '0.16', run }
}

function result(value: Json): RpcOutcome {
  return { kind: 'result', value }
}

function refused(message: string): RpcOutcome {
  return { kind: 'error', error: { code: -1, message } }
}

function outcomeOf<T>(
  outcome: NodeOutcome<T> | WalletOutcome<T>,
  toJson: (value: T) => Json,
): RpcOutcome {
  if (outcome.kind === 'panic') return { kind: 'hang up' }
  return outcome.kind === 'refused' ? refused(outcome.text) : result(toJson(outcome.value))
}
