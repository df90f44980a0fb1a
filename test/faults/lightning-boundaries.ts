import { around, aroundCommit, type Boundary } from './boundary.ts'
import type { Manner } from './lightning-payees.ts'

/** Who is killed there: the payouts role, the signer host, or the lnd that pays. */
export type LightningVictim = 'payouts' | 'signer' | 'lnd'

/** A boundary of a payment over Lightning, and what its payee does, so that one comes there. */
export type LightningBoundary = Boundary & {
  readonly victim: LightningVictim
  readonly manner: Manner
}

const said = <V extends LightningVictim>(victim: V, server: string, manner: Manner = 'pays') =>
  ({ phase: 'pay', victim, server, manner }) as const

const database = said('payouts', 'database')
const signer = said('payouts', 'signer')
const afterDeath = said('payouts', 'database', 'refuses')
const signerAfterDeath = said('payouts', 'signer', 'refuses')

/** Numbers as the database's protocol has them in arrays, one after the other. */
const SECOND_CALL = /state = 'called'[\s\S]*\{"?0"?\}[^{}]*\{"?1"?\}[^{}]*\{"?2"?\}/
/** The line, the attempt, and then the hash of its invoice. */
const SECOND_ATTEMPT =
  /insert into "ln_attempts"[\s\S]*\x00\x00\x00\x010\x00\x00\x00\x012\x00\x00\x00\x40/

/** Of the payouts role, in the order in which a batch passes them. */
const PAYOUTS: readonly LightningBoundary[] = [
  ...aroundCommit('lightning: reserve, manifest, lines', {
    ...database,
    says: 'insert into batches',
  }),
  ...around('lightning: take the lease', { ...database, says: 'make_interval' }),
  ...aroundCommit('lightning: take all of it out of the float', {
    ...database,
    says: /update "batches" set "state"[\s\S]*prepared/,
  }),
  ...around('lightning: note what lnd has shown', { ...database, says: 'insert into ln_nodes' }),
  ...around('lightning: ask for an invoice', { ...signer, says: '"ask":"invoices"' }),
  ...aroundCommit("lightning: note the signer's head", {
    ...database,
    says: 'insert into "signer_heads"',
  }),
  ...around('lightning: store the attempt', { ...database, says: 'insert into "ln_attempts"' }),
  ...around('lightning: write down the call', { ...database, says: "set state = 'called'" }),
  ...around('lightning: have it called', { ...signer, says: '"ask":"pay"' }),
  ...around('lightning: write down that it was called', {
    ...database,
    says: 'set calls = greatest',
  }),
  ...aroundCommit('lightning: say that it was sent', {
    ...database,
    says: /update "batches" set "state"[\s\S]*sent/,
  }),
  ...around('lightning: look at the payment', {
    ...said('payouts', 'lnd'),
    says: 'TrackPaymentV2',
  }),
  ...aroundCommit('lightning: book the line', {
    ...database,
    says: /insert into journal[\s\S]*:ended/,
  }),
  ...aroundCommit('lightning: end the batch', {
    ...database,
    says: /update "batches" set "state"[\s\S]*settled/,
  }),
  ...around('lightning: write down the second call', { ...afterDeath, says: SECOND_CALL }),
  ...around('lightning: have it called again', {
    ...signerAfterDeath,
    says: /"ask":"pay".*"call":2/,
  }),
  ...around('lightning: have it ended', { ...signerAfterDeath, says: '"ask":"end"' }),
  ...around('lightning: write down that it is dead', {
    ...afterDeath,
    says: 'set state = ended.state',
  }),
  ...around('lightning: ask for another invoice', {
    ...signerAfterDeath,
    says: /"ask":"invoices".*"n":2/,
  }),
  ...around('lightning: store the second attempt', { ...afterDeath, says: SECOND_ATTEMPT }),
]

const asked = said('signer', 'pool')
const askedAfterDeath = said('signer', 'pool', 'refuses')

/** Of the signer host: its memory is written between what it is asked and what it answers. */
const SIGNER: readonly LightningBoundary[] = [
  ...around('signer: asked for an invoice', { ...asked, says: '"ask":"invoices"' }),
  ...around('signer: ask whom to pay', { ...said('signer', 'payee'), says: '/.well-known/' }),
  ...around('signer: ask the payee for it', { ...said('signer', 'payee'), says: '/cb/' }),
  ...around('signer: have lnd read it', { ...said('signer', 'lnd'), says: 'DecodePayReq' }),
  ...around('signer: asked to pay', { ...asked, says: '"ask":"pay"' }),
  ...around('signer: call lnd', { ...said('signer', 'lnd'), says: 'SendPaymentV2' }),
  ...around('signer: asked for the second call', {
    ...askedAfterDeath,
    says: /"ask":"pay".*"call":2/,
  }),
  ...around('signer: asked to end it', { ...askedAfterDeath, says: '"ask":"end"' }),
  ...around('signer: look whether it is dead', {
    ...said('signer', 'lnd', 'refuses'),
    says: 'TrackPaymentV2',
  }),
  ...around('signer: asked for another invoice', {
    ...askedAfterDeath,
    says: /"ask":"invoices".*"n":2/,
  }),
]

/** Of the lnd that pays. */
const LND: readonly LightningBoundary[] = [
  ...around('lnd: read an invoice', { ...said('lnd', 'signer'), says: 'DecodePayReq' }),
  ...around('lnd: pay', { ...said('lnd', 'signer'), says: 'SendPaymentV2' }),
  ...around('lnd: say how it stands', { ...said('lnd', 'pool'), says: 'TrackPaymentV2' }),
]

/** The HTLC is at the payee's node, and whoever it is dies while nobody knows how it ends. */
const HELD: readonly LightningBoundary[] = (['payouts', 'signer', 'lnd'] as const).flatMap(victim =>
  (['keeps', 'gives back'] as const).map(manner => ({
    ...{ phase: 'pay', victim, server: 'payee', manner, at: 'asked' },
    name: `${victim}: the payee holds the money and ${manner === 'keeps' ? 'takes it' : manner}`,
    says: 'the money is held',
  })),
)

/** Every step boundary of a batch over Lightning, with each of those who can die there. */
export const LIGHTNING_BOUNDARIES: readonly LightningBoundary[] = [
  ...PAYOUTS,
  ...SIGNER,
  ...LND,
  ...HELD,
]
