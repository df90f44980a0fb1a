import type { z } from 'zod'
import { bidsOfBlocks } from '../../bmm/index.ts'
import { workFromTarget } from '../../lib/bitcoin/target.ts'
import { blockHash, epochId, unixMs } from '../../lib/ids.ts'
import { destinationsOf, rewardsOfBlocks } from '../../payouts/index.ts'
import {
  type BlockReport,
  type IntervalReport,
  lastTip,
  listBlocks,
  listEpochs,
  listIntervals,
  recentWork,
} from '../../pool/index.ts'
import type { Api } from '../app.ts'
import * as contract from '../contract.ts'
import { decodeCursor, encodeCursor, hashKey, heightKey, numberKey, page } from '../cursor.ts'
import { Problem } from '../errors.ts'
import { HASHRATE_WINDOW_MS, hashesPerSecond, hashrateOf } from '../hashrate.ts'
import type { ApiParts, SchemeInfo } from '../rooms.ts'

type ListQuery = z.infer<typeof contract.listQuery>

/** What everyone may know of the pool as a whole. */
export function addPoolRoutes(api: Api, parts: ApiParts): void {
  api.get('/stats', { schema: schemaOf('The pool now', contract.statsReply) }, () => stats(parts))
  api.get(
    '/hashrate',
    { schema: listSchema('Work by block interval, highest first', contract.hashrateReply) },
    async ({ query }) => {
      const limit = Number(query.limit)
      const before = beforeHeight('hashrate', query)
      const rows = await listIntervals(parts.db, { accounts: null, before, limit })
      return page(rows, limit, intervalJson, last => encodeCursor('hashrate', [last.height]))
    },
  )
  api.get(
    '/blocks',
    { schema: listSchema('Blocks of ours, highest first', contract.blocksReply) },
    ({ query }) => blocks(parts, query),
  )
  api.get(
    '/schemes',
    { schema: schemaOf('What each port promises', contract.schemesReply) },
    async () => ({ items: parts.schemes.map(schemeJson) }),
  )
  api.get(
    '/difficulty',
    { schema: schemaOf('What a block takes now', contract.difficultyReply) },
    () => difficulty(parts),
  )
}

function schemaOf<Reply extends z.ZodType>(summary: string, reply: Reply) {
  return { summary, tags: ['pool'], response: { 200: reply, default: contract.problem } }
}

function listSchema<Reply extends z.ZodType>(summary: string, reply: Reply) {
  return { ...schemaOf(summary, reply), querystring: contract.listQuery }
}

/** The pool in one reply, as the first page shows it too. */
export async function stats({ db, clock, pool }: ApiParts) {
  const since = unixMs(Math.max(0, clock.now() - HASHRATE_WINDOW_MS))
  const [tip, recent, [last], [newest]] = await Promise.all([
    lastTip(db),
    recentWork(db, since, null),
    listBlocks(db, { before: null, limit: 1 }),
    listEpochs(db, { before: null, limit: 1 }),
  ])
  return {
    name: pool.name,
    network: pool.network,
    height: tip?.height ?? null,
    hashrate: hashrateOf(recent),
    miners: recent?.miners ?? 0,
    workers: recent?.workers ?? 0,
    openEpoch: newest && newest.closedAt === null ? newest.epoch.toString() : null,
    lastBlock: last ? { hash: last.hash, height: last.height, foundMs: last.foundAt } : null,
  }
}

/** Blocks with their finders and reward statements. */
export async function blocks({ db }: ApiParts, query: ListQuery) {
  const limit = Number(query.limit)
  const keys = query.cursor === undefined ? null : decodeCursor('blocks', query.cursor, 2)
  const before = keys && { height: heightKey(keys[0]), hash: blockHash(hashKey(keys[1])) }
  const rows = await listBlocks(db, { before, limit })
  const finders = rows.flatMap(row => (row.finder === null ? [] : [row.finder]))
  const hashes = rows.map(row => row.hash)
  const [payees, rewards, bids] = await Promise.all([
    destinationsOf(db, finders),
    rewardsOfBlocks(db, hashes),
    bidsOfBlocks(db, hashes),
  ])
  const item = (row: BlockReport) => ({
    hash: row.hash,
    height: row.height,
    epoch: row.epoch.toString(),
    scheme: row.scheme,
    finder: row.finder === null ? null : (payees.get(row.finder) ?? null),
    valueSats: row.value.toString(),
    paidInCoinbaseSats: row.paidToFinder?.toString() ?? null,
    foundMs: row.foundAt,
    recovered: row.recovered,
    fate: row.fate,
    reward: rewards.get(row.hash)?.toString() ?? null,
    bids: bids
      .filter(({ block }) => block === row.hash)
      .map(({ slot, sideBlock, request, fee, own }) => ({
        ...{ slot, sideBlock, requestTxid: request, feeSats: fee.toString(), fate: row.fate, own },
      })),
  })
  return page(rows, limit, item, last => encodeCursor('blocks', [last.height, last.hash]))
}

async function difficulty({ db }: ApiParts) {
  const [newest] = await listEpochs(db, { before: null, limit: 1 })
  if (!newest) throw new Problem('unknown-resource', 'no epoch has been opened yet')
  return {
    epoch: newest.epoch.toString(),
    blockTarget: newest.blockTarget,
    work: workFromTarget(BigInt(`0x${newest.blockTarget}`)).toString(),
    subsidySats: newest.subsidy.toString(),
  }
}

/** Where a list of block intervals goes on. */
export function beforeHeight(list: string, { cursor }: ListQuery): number | null {
  return cursor === undefined ? null : heightKey(decodeCursor(list, cursor, 1)[0])
}

/** Where a list of epochs goes on. */
export function beforeEpoch({ cursor }: ListQuery) {
  return cursor === undefined ? null : epochId(numberKey(decodeCursor('epochs', cursor, 1)[0]))
}

export function intervalJson({ height, shares, work, durationMs }: IntervalReport) {
  return {
    height,
    shares: shares.toString(),
    work: work.toString(),
    durationMs,
    hashesPerSecond: durationMs === null ? null : hashesPerSecond(work, durationMs).toString(),
  }
}

function schemeJson(scheme: SchemeInfo) {
  const { minimum, ports, tlsPorts, rails, ...rest } = scheme
  return {
    ...rest,
    ports: [...ports],
    tlsPorts: [...tlsPorts],
    rails: [...rails],
    minimumSats: minimum.toString(),
  }
}
