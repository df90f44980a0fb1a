import { Psbt, Transaction } from 'bitcoinjs-lib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type CoinManifest,
  encodeManifest,
  type LightningReply,
  type OpenRequest,
  signFreezeAct,
} from '../../src/approval/index.ts'
import { batchId, digest, type Txid, txid, unixMs } from '../../src/lib/ids.ts'
import { sats } from '../../src/lib/money.ts'
import type { ChannelOrder } from '../../src/lib/nodes/lnd-channels-client.ts'
import type { ChannelRules } from '../../src/signer/channel-rules.ts'
import type { NodeLook } from '../../src/signer/lightning-node-client.ts'
import { LOOK } from './lightning-world.ts'
import {
  addressOf,
  coin,
  KEYS,
  manifestOf,
  POLICY,
  psbtOf,
  requestOf,
  type SignerWorld,
  START,
  signerWorld,
  txidOfCoin,
} from './world.ts'

// Whoever has the pool's host knows what was approved, and asks for what he likes.
const COIN = coin(100_000_000n, 0)
const AMOUNT = sats(700_000n)
const OURS = addressOf(77)
const ANCHOR = { txid: txidOfCoin(COIN), vout: 0 }
const HASH = digest('ee'.repeat(32))
const payee = (amount: bigint) => ({ destination: OURS, amount: sats(amount), payouts: [] })
const [PEER, OTHER] = [`02${'aa'.repeat(32)}`, `03${'bb'.repeat(32)}`]
const RULES: ChannelRules = {
  addresses: new Set([OURS]),
  peers: new Map([[PEER, { publicKey: PEER, socket: 'peer.example:9735' }]]),
  feeRateMax: 50,
}
const HERE: NodeLook = { ...LOOK, publicKey: `02${'cc'.repeat(32)}` }

let world: SignerWorld
let opened: ChannelOrder[]
/** What lnd says to an opening. */
let lndSays: string | null

const channel = (over: Partial<CoinManifest> = {}) =>
  manifestOf({
    ...{ anchor: ANCHOR, purpose: 'channel', payees: [payee(AMOUNT)] },
    ...over,
  })
const start = (channels: ChannelRules | null = RULES, policy = POLICY) =>
  signerWorld({
    policy,
    ...(channels && { channels }),
    lightning: {
      askForInvoice: async () => ({ kind: 'none', reason: 'nobody is paid here' }),
      askForPreimage: async () => null,
      node: {
        look: async () => HERE,
        decodeComplaint: async () => null,
        track: async () => ({ kind: 'not found' }),
        channels: async () => null,
        pay: async () => ({ kind: 'no answer', reason: 'nobody is paid here' }),
        open: async order => {
          opened.push(order)
          return lndSays
        },
      },
    },
  })

beforeEach(async () => {
  opened = []
  lndSays = null
  world = await start()
})
afterEach(() => world.remove())

/** Has a version signed; the id of it, or why not. */
async function signed(manifest = channel(), fee = 1000n): Promise<Txid | string> {
  const psbt = psbtOf(manifest, [COIN], fee)
  const reply = await world.ask(requestOf(manifest, psbt))
  if (reply.kind === 'refused') return reply.reason
  if (reply.kind !== 'signed') return reply.kind
  const unsigned = Psbt.fromBuffer(reply.psbt).data.getTransaction()
  return txid(Transaction.fromBuffer(unsigned).getId())
}

async function open(over: Partial<OpenRequest> = {}): Promise<string> {
  const request: OpenRequest = {
    ...{ ask: 'open', manifest: encodeManifest(channel()), txid: txid('00'.repeat(32)) },
    ...{ peer: PEER, feeRateSatPerVb: 5, head: null },
    ...over,
  }
  return said(await world.signer.lightning(request))
}
const said = (reply: LightningReply) => (reply.kind === 'refused' ? reply.reason : reply.kind)

describe('what fills a channel', () => {
  test('is signed to an address of lnd that is pinned here, whatever list there is', async () => {
    await world.remove()
    world = await start(RULES, { ...POLICY, allowList: new Set() })
    expect(await signed()).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each<[string, ChannelRules | null, Partial<CoinManifest>, string]>([
    [
      'to another address',
      RULES,
      { payees: [{ destination: addressOf(666), amount: AMOUNT, payouts: [] }] },
      'no address of our lnd',
    ],
    ['where none are opened', null, {}, 'opens no channels'],
    ['above what one approves', RULES, { payees: [payee(2_000_000n)] }, '1 of 2 approvals'],
  ])('%s is not', async (_name, rules, over, reason) => {
    await world.remove()
    world = await start(rules)
    expect(await signed(channel(over))).toContain(reason)
  })
})

describe('a channel', () => {
  test('takes the one coin that was signed for, to a peer where this host knows him', async () => {
    const id = await signed()
    expect(await open({ txid: txid(id) })).toBe('opening')
    const peer = { publicKey: PEER, socket: 'peer.example:9735' }
    expect(opened).toEqual([{ peer, coin: { txid: id, vout: 0 }, feeRateSatPerVb: 5 }])
  })

  test('is asked for again with the same coin and no other, also after a restart', async () => {
    const id = txid(await signed())
    lndSays = 'the peer is away'
    expect(await open({ txid: id })).toBe('the peer is away')
    await world.restart()
    lndSays = null
    expect(await open({ txid: id })).toBe('opening')
    expect(await open({ txid: id })).toBe('opening')
    expect(new Set(opened.map(({ coin }) => `${coin.txid}:${coin.vout}`))).toEqual(
      new Set([`${id}:0`]),
    )
  })

  test('takes that of whichever version was signed', async () => {
    const first = txid(await signed())
    const second = txid(await signed(channel(), 5000n))
    expect(second).not.toBe(first)
    expect(await open({ txid: second })).toBe('opening')
  })

  test.each<[string, Partial<OpenRequest>, string]>([
    ['with another peer', { peer: OTHER }, 'no peer of this host'],
    ['of a coin that was not signed for', { txid: txid('ab'.repeat(32)) }, 'no such version'],
    [
      'of a batch that was not signed',
      { manifest: encodeManifest(channel({ batch: batchId(2n) })) },
      'no such batch',
    ],
    [
      'of more than was signed for',
      { manifest: encodeManifest(channel({ payees: [payee(900_000n)] })) },
      'no such batch',
    ],
    ['at a higher fee', { feeRateSatPerVb: 51 }, '50 sat a virtual byte at most'],
    ['with a manifest that is none', { manifest: new Uint8Array(3) }, 'not canonical'],
    ['for a pool with another past', { head: { position: 99, hash: HASH } }, 'position 99'],
  ])('%s is not opened', async (_name, over, reason) => {
    const id = txid(await signed())
    expect(await open({ txid: id, ...over })).toContain(reason)
    expect(opened).toEqual([])
  })

  test('is not opened with the coin of a payout', async () => {
    const payout = manifestOf({ anchor: ANCHOR })
    const id = await signed(payout)
    const asked = { manifest: encodeManifest(payout), txid: txid(id) }
    expect(await open(asked)).toBe('the manifest is of no channel')
    expect(opened).toEqual([])
  })

  test.each(['lightning', 'l1', 'all'])('is not opened while %s is frozen', async scope => {
    const id = txid(await signed())
    const words = { network: 'regtest', scope, reason: 'a test', at: unixMs(START) }
    await world.signer.freeze([signFreezeAct(KEYS.alice, { kind: 'freeze', ...words })])
    expect(await open({ txid: id })).toBe('the rail is frozen')
    expect(opened).toEqual([])
  })
})
