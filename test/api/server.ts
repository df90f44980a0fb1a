import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll } from 'vitest'
import { type ApiParts, buildApi } from '../../src/api/index.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { partsOn } from './parts.ts'
import { seed } from './seed.ts'

/** The API on a seeded database of the test file's own. */
export function apiForTests() {
  let database: TestDatabase
  let app: FastifyInstance
  const others: FastifyInstance[] = []

  beforeAll(async () => {
    database = await testDatabase()
    await seed(database.ownerDb)
    app = await buildApi(partsOn(database.db))
  })
  afterAll(async () => {
    await app.close()
    await Promise.all(others.map(other => other.close()))
    await database.drop()
  })

  // Each request from an address of its own, so that none is locked out by what others tried.
  let requests = 0
  const get = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ url, headers, remoteAddress: `10.0.${requests >> 8}.${requests++ & 255}` })
  return {
    app: () => app,
    /** As its owner, for what a test must add to the history. */
    db: () => database.ownerDb,
    get,
    post: (url: string, body: unknown): Promise<LightMyRequestResponse> =>
      app.inject({ method: 'POST', url, payload: JSON.stringify(body), headers: JSON_TYPE }),
    /** Another API on the same data, with something changed. */
    with: async (changed: Partial<ApiParts>) => {
      const other = await buildApi(partsOn(database.db, changed))
      others.push(other)
      return other
    },
    /** All items of a list, page by page, and how many pages that took. */
    walk: async (url: string, limit: number) => {
      const items: Record<string, unknown>[] = []
      let cursor: string | null = null
      let pages = 0
      do {
        const from: string = cursor === null ? '' : `&cursor=${cursor}`
        const reply = await get(`${url}?limit=${limit}${from}`)
        const list = reply.json()
        items.push(...list.items)
        cursor = list.nextCursor
        pages++
      } while (cursor !== null && pages < PAGES_MAX)
      return { items, pages }
    },
  }
}

export const JSON_TYPE = { 'content-type': 'application/json' }
/** A list that never ends fails the test that walks it. */
const PAGES_MAX = 100
