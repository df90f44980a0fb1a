import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Database } from '../lib/db/schema.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import { keepSideBlock } from './side-block-store.ts'
import type { SideNode } from './side-node.ts'

/** Side blocks of our own node for the blocks that we mine. */
export type SideBlocks = {
  /** The hash to accept in a block on that parent; null until our node has one. Asks for it then. */
  readonly on: (parent: { readonly previousBlock: BlockHash; readonly height: number }) => {
    readonly slot: number
    readonly sideBlock: string
  } | null
  readonly stop: () => Promise<void>
}

/** A node that has not seen the main block yet is asked again after that. */
const RETRY_MS = 1_000
/**
 * The first one on a parent is renewed after that: what the parent itself accepted reaches the node
 * moments later, and a block that was built without it comes too late.
 */
const SETTLE_MS = 3_000
/** A side block is renewed after that, so that it takes what its mempool has gained. */
const RENEW_MS = 30_000

type Parent = { readonly previousBlock: BlockHash; readonly height: number }

/**
 * Keeps a side block ready for the newest parent that was asked for. It is stored before its hash
 * is given out, since whoever finds a block with it must have it, also after a crash. Nobody waits
 * for it: a job goes out without, and another one when it is there.
 */
export function watchSideBlocks(options: {
  readonly db: Kysely<Database>
  readonly node: SideNode
  readonly clock: Clock
  readonly log: Log
  /** There is a new one: templates would be arranged in another way now. */
  readonly onNew: () => void
}): SideBlocks {
  const { db, node, clock, log, onNew } = options
  const stopping = new AbortController()
  let wanted: Parent | null = null
  let ready: { readonly previousBlock: BlockHash; readonly sideBlock: string } | null = null
  let wake = new AbortController()
  let trouble: string | null = null

  function say(reason: string | null): void {
    if (reason !== null && trouble === null) log.warn({ reason }, 'no side block of our own')
    if (reason === null && trouble !== null) log.info({}, 'our own side blocks go on')
    trouble = reason
  }

  /** @returns how long until the next look */
  async function look(parent: Parent): Promise<number> {
    try {
      const { sideBlock, previousBlock, body } = await node.getTemplate()
      if (previousBlock !== parent.previousBlock) {
        say(`our node builds on ${previousBlock}`)
        return RETRY_MS
      }
      const kept = { slot: node.slot, sideBlock, ...parent, body }
      await keepSideBlock(db, kept, clock.now())
      say(null)
      if (ready?.sideBlock === sideBlock) return RENEW_MS
      const isFirst = ready?.previousBlock !== previousBlock
      ready = { previousBlock, sideBlock }
      onNew()
      return isFirst ? SETTLE_MS : RENEW_MS
    } catch (error) {
      say(error instanceof Error ? error.message : String(error))
      return RETRY_MS
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      wake = new AbortController()
      const waitMs = wanted === null ? RENEW_MS : await look(wanted)
      const signal = AbortSignal.any([wake.signal, stopping.signal])
      if (!signal.aborted) await sleep(waitMs, null, { signal }).catch(() => undefined)
    }
  }

  const done = run()
  return {
    on(parent) {
      if (wanted?.previousBlock !== parent.previousBlock) {
        wanted = parent
        wake.abort()
      }
      if (ready?.previousBlock !== parent.previousBlock) return null
      return { slot: node.slot, sideBlock: ready.sideBlock }
    },
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}
