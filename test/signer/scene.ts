import { Psbt } from 'bitcoinjs-lib'
import { z } from 'zod'
import type { CoinManifest, L1SignRequest, SignRequest } from '../../src/approval/index.ts'
import { watchDescriptor } from '../../src/commands/treasury-watch.ts'
import { parseAddress } from '../../src/lib/bitcoin/address.ts'
import { batchId, payoutId, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import { connectNode } from '../../src/lib/nodes/bitcoin-core-client.ts'
import { systemClock } from '../../src/lib/time.ts'
import { hostSigner } from '../../src/payouts/rails/l1/host-signer-client.ts'
import { buildTransaction, type Order } from '../../src/payouts/rails/l1/transaction.ts'
import { walletClient } from '../../src/payouts/rails/l1/wallet-client.ts'
import type { TestNode } from '../support/bitcoind.ts'
import { testDatabase } from '../support/database.ts'
import { signerHost } from './host.ts'
import { addressOf, approvals, HOUR_MS, type Person, scriptOfAddress } from './world.ts'

/** A pool with a watch-only wallet, and the signer of it on a host of its own. */
export async function scene(node: TestNode, kind: 'wpkh' | 'tr') {
  const database = await testDatabase()
  const host = await signerHost(kind)
  await host.start()
  const rpc = connectNode(node.rpc)
  const wallet = `watch-${kind}-${host.access.port}`
  await watchDescriptor(rpc, wallet, host.descriptors[kind])
  const type = kind === 'wpkh' ? 'bech32' : 'bech32m'
  const ask = async (method: string, ...params: unknown[]) =>
    z.string().parse(await rpc.call(method, params, { wallet }))
  await node.mine(105, await ask('getnewaddress', '', type))
  const client = walletClient(rpc, wallet)
  const coins = await client.coins(1)
  const requests: L1SignRequest[] = []
  const overheard = {
    ...host.client,
    sign: (asked: SignRequest) => {
      if (asked.rail === 'l1') requests.push(asked)
      return host.client.sign(asked)
    },
  }
  const signer = hostSigner({
    ...{ db: database.db, client: overheard, node: rpc, wallet, clock: systemClock },
  })
  return {
    ...{ host, database, coins, wallet },
    /** What the pool asked the host, the newest last. */
    requests,
    db: database.db,
    newChange: () => ask('getrawchangeaddress', type),
    /** Builds a version of a batch at a fee rate and has it signed. */
    sign: async (
      manifest: CoinManifest,
      order: Order,
      rate: bigint,
      people: Person[] = ['alice'],
    ) => {
      const built = buildTransaction(order, sats(rate))
      if (built.kind !== 'built') throw new Error(built.kind)
      const acts = approvals(manifest, people)
      return { built, outcome: await signer.sign({ manifest, acts, psbt: built.psbt }) }
    },
    remove: async () => {
      await host.remove()
      await database.drop()
    },
  }
}
export type Scene = Awaited<ReturnType<typeof scene>>

/** A batch that spends two coins of the wallet, from the given one on. */
export async function batchOf({ coins, newChange }: Scene, number: number, from: number) {
  const [anchor, other] = [coins[from], coins[from + 1]]
  if (!anchor || !other) throw new Error('the wallet has coins')
  const now = systemClock.now()
  const manifest: CoinManifest = {
    ...{ version: 2, purpose: 'payout', wallet: 'hot', network: 'regtest', rail: 'l1' },
    batch: batchId(BigInt(number)),
    payees: [{ destination: addressOf(number), amount: sats(5_000_000n), payouts: [payoutId(1n)] }],
    feeMax: sats(50_000n),
    anchor: { txid: anchor.txid, vout: anchor.vout },
    change: await newChange(),
    createdAt: unixMs(now - 1000),
    expiresAt: unixMs(now + HOUR_MS),
    ...{ policyVersion: 1, createdBy: 'plan:daily', excluded: [] },
  }
  const change = parseAddress(manifest.change, 'regtest')
  if (change.kind !== 'address') throw new Error('the wallet gives addresses')
  const order: Order = {
    ...{ anchor: manifest.anchor, multisigWeight: null, treasury: null },
    coins: [anchor, other],
    payments: [{ script: scriptOfAddress(number), amount: sats(5_000_000n) }],
    changeScript: change.script,
    feeMax: manifest.feeMax,
  }
  return { manifest, order }
}

/** The network's bytes of a PSBT that is signed. */
export function finalBytes(psbt: Uint8Array): Uint8Array {
  const read = Psbt.fromBuffer(psbt)
  read.finalizeAllInputs()
  return read.extractTransaction(true).toBuffer()
}

export async function confirmations(node: TestNode, id: string): Promise<number> {
  const reply = await node.cli('getrawtransaction', id, true)
  return z.object({ confirmations: z.int().default(0) }).parse(reply).confirmations
}
