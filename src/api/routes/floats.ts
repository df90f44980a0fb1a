import { type BridgeReport, listMoves, listWithdrawals, nextStep } from '../../bridges/index.ts'
import { batchId } from '../../lib/ids.ts'
import { sats } from '../../lib/money.ts'
import { type FloatReport, listFloats } from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import { bearerIn, requireScope } from '../auth.ts'
import * as contract from '../contract.ts'
import type { ApiParts, OwnPlanned } from '../rooms.ts'

/** What each wallet of the pool holds, and batches that move money between or within them. */
export function addFloatRoutes(api: Api, parts: ApiParts): void {
  const guarded = { tags: ['treasury'], security: [{ bearer: [] }] }
  const response = { 200: contract.ownPlannedReply, default: contract.problem }
  api.get(
    '/treasury/floats',
    {
      preValidation: requireScope(parts, 'read'),
      schema: {
        ...{ ...guarded, summary: 'Each wallet of the pool as last compared with the books' },
        response: { 200: contract.floatsReply, default: contract.problem },
      },
    },
    async () => ({
      items: (await listFloats(parts.db)).map(floatJson),
      moves: (await listMoves(parts.db)).map(moveJson),
      withdrawals: (await listWithdrawals(parts.db)).map(withdrawalJson),
    }),
  )
  api.post(
    '/treasury/consolidate',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        ...{ ...guarded, summary: 'Plan one coin of many small ones' },
        ...{ body: contract.consolidateBody, response },
      },
    },
    async request => {
      const { wallet } = request.body
      const wish = { kind: 'consolidation', wallet } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
  api.post(
    '/treasury/transfer',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        ...{ ...guarded, summary: 'Plan a transfer to the other wallet' },
        ...{ body: contract.transferBody, response },
      },
    },
    async request => {
      const { from, amountSats } = request.body
      const wish = { kind: 'transfer', from, amount: sats(BigInt(amountSats)) } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
  addDepositRoute(api, parts)
  addChannelRoute(api, parts)
  addWithdrawRoute(api, parts)
  addChildRoute(api, parts)
}

function addDepositRoute(api: Api, parts: ApiParts): void {
  api.post(
    '/treasury/deposit',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'Plan a deposit of our own money to Thunder',
        body: contract.depositBody,
        response: { 200: contract.ownPlannedReply, default: contract.problem },
      },
    },
    async request => {
      const { from, amountSats } = request.body
      const wish = { kind: 'deposit', from, amount: sats(BigInt(amountSats)) } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
}

function addChannelRoute(api: Api, parts: ApiParts): void {
  api.post(
    '/treasury/channel',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'Plan a channel on Lightning of our own money',
        body: contract.channelBody,
        response: { 200: contract.ownPlannedReply, default: contract.problem },
      },
    },
    async request => {
      const { from, amountSats } = request.body
      const wish = { kind: 'channel', from, amount: sats(BigInt(amountSats)) } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
}

function addWithdrawRoute(api: Api, parts: ApiParts): void {
  api.post(
    '/treasury/withdraw',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'Plan a withdrawal of our own money from Thunder, away for months',
        body: contract.withdrawBody,
        response: { 200: contract.ownPlannedReply, default: contract.problem },
      },
    },
    async request => {
      const amount = sats(BigInt(request.body.amountSats))
      const wish = { kind: 'withdrawal', amount } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
}

function addChildRoute(api: Api, parts: ApiParts): void {
  api.post(
    '/treasury/batches/:number/child',
    {
      preValidation: requireScope(parts, 'create'),
      schema: {
        tags: ['treasury'],
        security: [{ bearer: [] }],
        summary: 'Plan a transaction that pays for a batch that is stuck',
        params: contract.numberParams,
        body: contract.emptyBody,
        response: { 200: contract.ownPlannedReply, default: contract.problem },
      },
    },
    async request => {
      const wish = { kind: 'cpfp', parent: batchId(BigInt(request.params.number)) } as const
      return plannedJson(await parts.planOwn(wish, bearerIn(request).alias))
    },
  )
}

function plannedJson(outcome: OwnPlanned) {
  return outcome.kind === 'planned'
    ? { batch: outcome.batch.toString(), reason: null }
    : { batch: null, reason: outcome.reason }
}

function moveJson({ bridge, batch, amount, state, coin, changedAt }: BridgeReport) {
  return {
    bridge,
    batch: batch.toString(),
    amountSats: amount.toString(),
    state,
    outpoint: `${coin.txid}:${coin.vout}`,
    changedMs: changedAt,
  }
}

function withdrawalJson(withdrawal: Awaited<ReturnType<typeof listWithdrawals>>[number]) {
  const { batch, amount, mainFee, mainAddress, state, coin, changedAt } = withdrawal
  const { m6id, bundles, votes } = withdrawal
  return {
    bridge: 'thunder',
    batch: batch.toString(),
    amountSats: amount.toString(),
    mainFeeSats: mainFee.toString(),
    ...{ mainAddress, state, m6id, bundles, votes },
    outpoint: coin && `${coin.txid}:${coin.vout}`,
    nextStep: nextStep(withdrawal),
    changedMs: changedAt,
  }
}

function floatJson(report: FloatReport) {
  return {
    rail: report.rail,
    wallet: report.wallet,
    ledgerMsat: report.ledger.toString(),
    chainSats: report.chain.toString(),
    reservedSats: report.reserved.toString(),
    onTheWaySats: report.onTheWay.toString(),
    foreignSats: report.foreign.toString(),
    foreignCoins: [...report.foreignCoins],
    checkedMs: report.checkedAt,
    finding: report.finding,
  }
}
