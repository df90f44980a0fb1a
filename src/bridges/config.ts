import { z } from 'zod'
import { parseAddress } from '../lib/bitcoin/address.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import { MAX_MONEY_SATS, sats } from '../lib/money.ts'
import type { FloatRule } from './float.ts'

/** More peers than this need somebody who looks after them. */
const PEERS_MAX = 20
/** No lnd opens a smaller channel. Source: lnd, funding `MinChanFundingSize`. */
const CHANNEL_SATS_MIN = 20_000n

const satoshis = z
  .string()
  .regex(/^\d{1,16}$/, 'whole satoshis as a decimal string')
  .transform(BigInt)
  .refine(amount => amount <= MAX_MONEY_SATS, 'more than all bitcoin')
  .transform(sats)

/** When a float is filled by itself, and from which wallet. */
const refill = z
  .strictObject({
    from: z.enum(['hot', 'cold']),
    ...{ lowSats: satoshis, targetSats: satoshis, capSats: satoshis },
  })
  .refine(
    ({ lowSats, targetSats, capSats }) => lowSats < targetSats && targetSats <= capSats,
    'lowSats, targetSats and capSats are not in this order',
  )

/** Deposits to Thunder. */
const thunder = z.strictObject({
  /** An enforcer, which alone knows the coin of the treasury: where it serves its calls. */
  enforcerUrl: z
    .url({ protocol: /^https?$/ })
    .refine(url => !url.includes('@'), 'it takes no user and password'),
  /** Null is never. */
  refill: refill.nullable(),
})

/** Channels on Lightning. */
const lightning = z.strictObject({
  /** Of our lnd's own wallet; the signer has it pinned too. */
  address: z.string(),
  /** Public keys of those whom channels are opened to; the signer knows where they are. */
  peers: z
    .array(z.string().regex(/^0[23][0-9a-f]{64}$/, 'a compressed public key'))
    .min(1)
    .max(PEERS_MAX),
  /** What a channel is filled with. */
  channel: z
    .strictObject({ atLeastSats: satoshis, atMostSats: satoshis })
    .refine(({ atLeastSats }) => atLeastSats >= CHANNEL_SATS_MIN, `at least ${CHANNEL_SATS_MIN}`)
    .refine(
      ({ atLeastSats, atMostSats }) => atLeastSats <= atMostSats,
      'atLeastSats is above atMostSats',
    ),
  /** Null is never. */
  refill: refill.nullable(),
})

/** How a pool moves its own float between rails, as its configuration says it. */
export const bridgesSchema = z.strictObject({
  thunder: thunder.optional(),
  lightning: lightning.optional(),
})

export type BridgesConfig = z.infer<typeof bridgesSchema>

/** The rule that a refill is made by; null where a float is never filled by itself. */
export function floatRuleOf(filled: z.infer<typeof refill> | null): FloatRule | null {
  return filled && { low: filled.lowSats, target: filled.targetSats, cap: filled.capSats }
}

type Complaint = { readonly path: string; readonly message: string }

/** What else a configuration says that a bridge needs. */
export type BridgesNeed = {
  readonly network: Network
  readonly thunder: boolean
  readonly lightning: boolean
  readonly bmm: boolean
  readonly cold: boolean
}

/** What bridges need besides, by the place where it is missing. */
export function bridgesComplaints(
  { thunder, lightning }: BridgesConfig,
  has: BridgesNeed,
): readonly Complaint[] {
  const complaints: Complaint[] = []
  const complain = (path: string, message: string) => complaints.push({ path, message })
  if (thunder && !has.thunder)
    complain('bridges.thunder', 'there is no rails.thunder to deposit to')
  if (thunder && !has.bmm) complain('bridges.thunder', 'bmm.drivechainOpcode is not said')
  if (lightning && !has.lightning)
    complain('bridges.lightning', 'there is no rails.lightning to fill channels of')
  for (const [name, bridge] of Object.entries({ thunder, lightning }))
    if (bridge?.refill?.from === 'cold' && !has.cold)
      complain(`bridges.${name}.refill.from`, 'there is no cold wallet')
  if (lightning) for (const each of channelComplaints(lightning, has.network)) complaints.push(each)
  return complaints
}

function channelComplaints(
  { address, peers, channel, refill }: NonNullable<BridgesConfig['lightning']>,
  network: Network,
): readonly Complaint[] {
  const complaints: Complaint[] = []
  const complain = (at: string, message: string) =>
    complaints.push({ path: `bridges.lightning.${at}`, message })
  const parsed = parseAddress(address, network)
  if (parsed.kind !== 'address' || parsed.text !== address)
    complain('address', `not a Bitcoin address of ${network}, as we write it`)
  if (new Set(peers).size < peers.length) complain('peers', 'a peer stands there twice')
  // Else what is missing could be too little for a channel, and nothing would ever be filled.
  if (refill && channel.atLeastSats > refill.targetSats - refill.lowSats)
    complain('channel.atLeastSats', 'it is more than what lies between lowSats and targetSats')
  return complaints
}
