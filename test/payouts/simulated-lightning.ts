import { randomBytes } from 'node:crypto'
import { encodeManifest, manifestHash } from '../../src/approval/index.ts'
import { sha256 } from '../../src/lib/bitcoin/hash.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import {
  preimage as idOf,
  type PaymentHash,
  type Preimage,
  paymentHash,
  txid,
} from '../../src/lib/ids.ts'
import { invoiceNamed } from '../../src/lib/lightning/destination.ts'
import { type Millisats, millisats, msatsFromSats, sats } from '../../src/lib/money.ts'
import type { LndClient, PaymentNews } from '../../src/lib/nodes/lnd-client.ts'
import { LndError } from '../../src/lib/nodes/lnd-grpc-client.ts'
import type { LndPayment } from '../../src/lib/nodes/lnd-replies.ts'
import type { Asked, LightningSigner } from '../../src/payouts/rails/lightning/signer.ts'
import { writeInvoice } from '../support/invoice.ts'

/** One that ends sooner is never given. */
const FRESH_MS_MIN = 120_000
const NO_HASH = paymentHash('00'.repeat(32))
const NODE_KEY = `02${'ab'.repeat(32)}`
const HOUR_MS = 3_600_000
const CHANNEL = '7'
const OUR_CHANNEL = {
  ...{ id: CHANNEL, coin: { txid: txid('cd'.repeat(32)), vout: 0 }, peer: NODE_KEY },
  ...{ capacity: sats(1_000_000n), isActive: true },
}
const LATEST = { publicKey: NODE_KEY, version: '0.20.1-beta', network: 'regtest' }

/** What a payee's server and its node do with what comes. */
export type Behaviour =
  | 'pays'
  | 'no invoice'
  | 'no way'
  | 'holds'
  | 'dear'
  | 'has too much'
  | 'another invoice'
  | 'lnd loses it'

/** A payment in the model, with whether what pays was asked to do it. */
type Payment = LndPayment & { readonly to: string; readonly isLost?: true }

/**
 * A simulated lnd and a simulated signer that pays by it, both in memory: real ones are in the tests
 * whose names end with `.lnd.test.ts`. It does what each is known to do, quickly and as a test says.
 */
export type SimulatedLightning = {
  readonly client: LndClient
  readonly signer: LightningSigner
  /** How lnd stands, for a test to change. */
  readonly node: { height: number; startedMs: number; showsChannels: boolean }
  /** What a destination does from now on; it pays where nothing was said. */
  readonly behave: (destination: string, behaviour: Behaviour) => void
  /** Lets whoever holds money take it, or send it back. */
  readonly release: (destination: string, isTaken: boolean) => void
  /** lnd is restored from a backup, and knows of no payment; payees who were paid can show it. */
  readonly forget: () => void
  /** An invoice that whoever is named there made by itself; good for an hour unless it says else. */
  readonly bring: (to: string, amountSats: bigint, expirySeconds?: number) => string
  /** What each destination has got, by how many payments. */
  readonly received: (destination: string) => readonly Millisats[]
  /** Everything that was ever done, in order, for a test to look at. */
  readonly calls: readonly string[]
  /** So many calls of one request are taken from now on; the rest is refused. */
  readonly takeCalls: (count: number) => void
  /** From now on each of these fails once before it is done, or after. */
  readonly loseReplies: (next: () => 'before' | 'after' | null) => void
}

type Alive = { kind: 'alive'; reason: string; preimage?: Preimage }
type Refused = { kind: 'refused' | 'no room'; reason: string }
type Given = { kind: 'invoice'; invoice: string } | { kind: 'none'; reason: string }
type Line = {
  n: number
  invoice: string
  hash: PaymentHash
  calls: number
  isEnded: boolean
  isLast: boolean
}

export function simulatedLightning(balance: Millisats, now: () => number): SimulatedLightning {
  const payments = new Map<string, Payment>()
  const invoices = new Map<string, { preimage: string; amount: Millisats; to: string }>()
  const behaviours = new Map<string, Behaviour>()
  const lines = new Map<string, Line>()
  /** Manifests that it was shown the approvals of, or that had expired by then. */
  const known = new Set<string>()
  const calls: string[] = []
  let lose: () => 'before' | 'after' | null = () => null
  let index = 0n
  /** What lnd has forgotten; the channels have what they have. */
  const forgotten = new Map<string, Payment>()
  let room = Number.POSITIVE_INFINITY
  const node = { height: 100, startedMs: now() - HOUR_MS, showsChannels: true }

  const behaviourOf = (to: string) => behaviours.get(to) ?? 'pays'

  function newInvoice(to: string, amount: Millisats, expirySeconds = 600) {
    const preimage = toHex(randomBytes(32))
    const hash = paymentHash(toHex(sha256(fromHex(preimage))))
    const text = writeInvoice({
      ...{ prefix: `lnbcrt${amount / 100n}n`, paymentHash: hash, expirySeconds },
      createdAtSeconds: Math.floor(now() / 1000),
    })
    invoices.set(hash, { preimage, amount, to })
    return { text, hash }
  }

  function pay(hash: PaymentHash, feeMax: Millisats): void {
    const asked = invoices.get(hash)
    const before = payments.get(hash)
    if (!asked || (before && before.status !== 'failed')) return
    const { to, amount } = asked
    const fee = millisats(behaviourOf(to) === 'dear' ? 6000n : 1000n)
    const base = { paymentHash: hash, amount, to, index: ++index, untilHeight: null, firstHops: [] }
    const failed = { ...base, fee: millisats(0n), preimage: '00'.repeat(32), unresolvedHtlcs: 0 }
    const onItsWay = {
      ...({ ...failed, status: 'in flight', unresolvedHtlcs: 1 } as const),
      ...{ untilHeight: 900, firstHops: [CHANNEL] },
    }
    if (behaviourOf(to) === 'holds') payments.set(hash, onItsWay)
    else if (behaviourOf(to) === 'lnd loses it') payments.set(hash, { ...onItsWay, isLost: true })
    else if (behaviourOf(to) === 'no way' || fee > feeMax)
      payments.set(hash, { ...failed, status: 'failed' })
    else payments.set(hash, { ...failed, status: 'succeeded', fee, preimage: asked.preimage })
  }

  /** A reply that is lost after the work leaves the work done. */
  async function answered<T>(
    name: string,
    work: () => readonly (readonly [number, T])[],
  ): Promise<Asked<T>> {
    const lost = lose()
    const silence = { kind: 'waits', reason: 'the signer: no answer' } as const
    if (lost === 'before') return silence
    calls.push(name)
    const answers = new Map(work())
    return lost === 'after' ? silence : { kind: 'answers', lines: answers }
  }

  const signer: LightningSigner = {
    invoices: ({ manifest, acts, lines: places }) =>
      answered<Given>('invoices', () => {
        const hash = manifestHash(encodeManifest(manifest))
        if (acts.length > 0 || now() >= manifest.expiresAt) known.add(hash)
        if (!known.has(hash)) return places.map(({ payee }) => [payee, none('nobody approved it')])
        return places.map(({ payee, n }) => {
          const line = lines.get(`${hash} ${payee}`)
          const wanted = manifest.payees[payee]
          if (!wanted) return [payee, none('no such line')] as const
          if (line?.n === n && !line.isEnded) return [payee, given(line.invoice)] as const
          if (n !== (line?.n ?? 0) + 1 || line?.isEnded === false || line?.isLast)
            return [payee, none('another invoice of it may be alive')] as const
          if (behaviourOf(wanted.destination) === 'no invoice')
            return [payee, none('its server gives none')] as const
          const named = invoiceNamed(wanted.destination)
          const isOld = named !== null && named.expiresAt - now() < FRESH_MS_MIN
          if (isOld || (named !== null && n > 1)) return [payee, none('it is not given')] as const
          const made =
            named === null || behaviourOf(wanted.destination) === 'another invoice'
              ? newInvoice(wanted.destination, msatsFromSats(wanted.amount))
              : { text: named.text, hash: named.paymentHash }
          const { text: invoice, hash: paid } = made
          lines.set(`${hash} ${payee}`, {
            n,
            invoice,
            hash: paid,
            calls: 0,
            isEnded: false,
            isLast: false,
          })
          return [payee, given(invoice)] as const
        })
      }),
    pay: ({ lines: asked, manifestHash: hash }) =>
      answered<{ kind: 'called' } | Refused>('pay', () => {
        let taken = 0
        return asked.map(({ payee, n, paymentHash: paid, call, feeMaxMsat }) => {
          const line = lines.get(`${hash} ${payee}`)
          if (!line || line.n !== n || line.isEnded || line.hash !== paid)
            return [payee, { kind: 'refused', reason: 'it has ended' }] as const
          if (call === line.calls + 1) {
            if (behaviourOf(invoices.get(paid)?.to ?? '') === 'has too much')
              return [payee, { kind: 'refused', reason: 'too much is on its way' }] as const
            if (++taken > room)
              return [payee, { kind: 'no room', reason: 'too many calls are open' }] as const
            line.calls = call
            pay(paid, feeMaxMsat)
          }
          return [payee, { kind: 'called' }] as const
        })
      }),
    end: ({ lines: asked, manifestHash: hash }) =>
      answered<{ kind: 'ended' } | Alive>('end', () =>
        asked.map(({ payee, n, isLast }) => {
          const line = lines.get(`${hash} ${payee}`)
          if (!known.has(hash))
            return [payee, { kind: 'alive', reason: 'no such manifest' }] as const
          if (!line && n === 1 && isLast) {
            const closed = { n, invoice: '', hash: NO_HASH, calls: 0, isEnded: true, isLast }
            lines.set(`${hash} ${payee}`, closed)
            return [payee, { kind: 'ended' }] as const
          }
          const lost = line && forgotten.get(line.hash)
          if (lost?.status === 'succeeded' && line?.n === n) {
            const preimage = idOf(lost.preimage)
            return [payee, { kind: 'alive', reason: 'its payee shows it', preimage }] as const
          }
          const made = line && (lost ?? payments.get(line.hash))
          const hasFailed = made?.status === 'failed' && made.unresolvedHtlcs === 0
          const isDead = !made || made.isLost || hasFailed
          if (line?.n !== n || !isDead)
            return [payee, { kind: 'alive', reason: 'it may pay' }] as const
          line.isEnded = true
          line.isLast = isLast
          return [payee, { kind: 'ended' }] as const
        }),
      ),
  }

  const client: LndClient = {
    info: async () => ({ ...LATEST, height: node.height, isSynced: true, activeChannels: 2 }),
    liquidity: async () => {
      const all = [...forgotten.values(), ...payments.values()].filter(({ isLost }) => !isLost)
      const spent = all
        .filter(({ status }) => status !== 'failed')
        .reduce((sum, each) => sum + each.amount + each.fee, 0n)
      const leaving = all
        .filter(({ status }) => status === 'in flight')
        .reduce((sum, each) => sum + each.amount, 0n)
      const inbound = millisats(spent)
      const opening = millisats(0n)
      return { outbound: millisats(balance - spent), inbound, leaving: millisats(leaving), opening }
    },
    channels: async () => {
      if (!node.showsChannels) throw new LndError(7, 'listChannels: permission denied (7)')
      const carried = [...payments.values()].filter(
        ({ status, isLost }) => status === 'in flight' && !isLost,
      )
      const carries = carried.map(({ paymentHash }) => paymentHash)
      return [{ ...OUR_CHANNEL, carries, watchedMs: now() - node.startedMs }]
    },
    newestPaymentIndex: async () => index,
    decode: () => Promise.reject(new Error('the signer decodes')),
    track: async (hash): Promise<PaymentNews> => {
      const payment = payments.get(hash)
      return payment ? { kind: 'payment', payment } : { kind: 'not found' }
    },
    pay: () => Promise.reject(new Error('the signer pays')),
  }

  return {
    ...{ client, signer, calls, node },
    behave: (destination, behaviour) => behaviours.set(destination, behaviour),
    release: (destination, isTaken) => {
      for (const known of [payments, forgotten])
        for (const [hash, payment] of known)
          if (payment.to === destination && payment.status === 'in flight')
            known.set(hash, releasedOf(payment, isTaken ? invoices.get(hash)?.preimage : undefined))
    },
    forget: () => {
      for (const [hash, payment] of payments) forgotten.set(hash, payment)
      payments.clear()
      index = 0n
    },
    bring: (to, amountSats, expirySeconds = 3600) =>
      newInvoice(to, msatsFromSats(sats(amountSats)), expirySeconds).text,
    received: destination =>
      [...forgotten.values(), ...payments.values()]
        .filter(({ to, status }) => to === destination && status === 'succeeded')
        .map(({ amount }) => amount),
    takeCalls: count => {
      room = count
    },
    loseReplies: next => {
      lose = next
    },
  }
}

/** As whoever held it took it, by its preimage, or sent it back. */
function releasedOf(payment: Payment, preimage: string | undefined): Payment {
  const rest = { ...payment, unresolvedHtlcs: 0 }
  if (preimage === undefined) return { ...rest, status: 'failed' }
  return { ...rest, status: 'succeeded', preimage, fee: millisats(1000n) }
}

const none = (reason: string) => ({ kind: 'none', reason }) as const
const given = (invoice: string) => ({ kind: 'invoice', invoice }) as const
