import type { Kysely, KyselyPlugin } from 'kysely'
import type { Database } from '../../src/lib/db/schema.ts'
import type { NodeRpc } from '../../src/lib/nodes/bitcoin-core-client.ts'

/** Counts the boundaries of everything that is awaited, and is dead from one of them on. */
export function crashAt(index: number) {
  let passed = 0
  const boundary = () => {
    if (passed++ >= index) throw new Error('crashed')
  }
  const plugin: KyselyPlugin = {
    transformQuery: ({ node: query }) => {
      boundary()
      return query
    },
    transformResult: async ({ result }) => {
      boundary()
      return result
    },
  }
  return {
    crashed: () => passed > index,
    db: (db: Kysely<Database>) => db.withPlugin(plugin),
    node: ({ call }: NodeRpc): NodeRpc => ({
      call: async (...request) => {
        boundary()
        const reply = await call(...request)
        boundary()
        return reply
      },
    }),
  }
}

/** A node and a database that are dead from the first call of a method on, before it is made. */
export function dyingAt(method: string) {
  let dead = false
  const check = () => {
    if (dead) throw new Error('crashed')
  }
  const plugin: KyselyPlugin = {
    transformQuery: ({ node: query }) => {
      check()
      return query
    },
    transformResult: async ({ result }) => result,
  }
  return {
    isDead: () => dead,
    db: (db: Kysely<Database>) => db.withPlugin(plugin),
    node: ({ call }: NodeRpc): NodeRpc => ({
      call: async (...request) => {
        dead ||= request[0] === method
        check()
        return call(...request)
      },
    }),
  }
}
