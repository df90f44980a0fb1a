import { assert } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { UnixMs } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { BlockchainInfo } from '../lib/nodes/bitcoind-client.ts'
import type { Clock } from '../lib/time.ts'
import { chooseNode, type NodeHeight, nodeComplaint } from './node-choice.ts'
import type { TemplateNode } from './template-source.ts'

/** A node with the name that logs have for it. */
type NamedNode = { readonly name: string; readonly node: TemplateNode }

/** A node that has not said by then where it stands counts as silent. */
const SILENT_MS = 3000
/** A node that gave no template when asked is passed over for so long, unless none is left. */
const PASSED_OVER_MS = 30_000

type Look =
  | { readonly kind: 'info'; readonly info: BlockchainInfo }
  | { readonly kind: 'silent'; readonly error: unknown }

/**
 * Templates of the best of several nodes: the one that is used is left when it is silent, on
 * another chain, catching up, gives no template, or has fewer blocks than another. The others are
 * looked at beside it, so that a slow one keeps nobody waiting; each change is said once. One that is
 * alone is asked as it is, and waited for, since nothing could stand in for it.
 *
 * @param nodes the first one in use first
 */
export function bestOf(options: {
  readonly nodes: readonly NamedNode[]
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
}): TemplateNode {
  const { nodes, network, clock, log } = options
  const [first, ...spares] = nodes
  assert(first !== undefined, 'there is a node')
  if (spares.length === 0) return first.node
  let present = 0
  let heights: readonly NodeHeight[] = nodes.map(() => null)
  const failedAt = new Map<number, UnixMs>()

  function at(place: number): NamedNode {
    const named = nodes[place]
    assert(named !== undefined, 'templates come from a node that is there')
    return named
  }

  async function lookAt(place: number, stop?: AbortSignal): Promise<Look> {
    const late = AbortSignal.timeout(SILENT_MS)
    const signal = stop ? AbortSignal.any([stop, late]) : late
    return at(place)
      .node.getBlockchainInfo({ signal })
      .then(
        info => ({ kind: 'info', info }),
        error => ({ kind: 'silent', error }),
      )
  }

  function heightOf(look: Look, place: number): NodeHeight {
    if (look.kind === 'silent' || nodeComplaint(look.info, network)) return null
    const failed = failedAt.get(place)
    return failed !== undefined && clock.now() - failed < PASSED_OVER_MS ? null : look.info.blocks
  }

  function change(place: number): void {
    if (place !== present)
      log.warn({ from: at(present).name, to: at(place).name }, 'another node gives templates now')
    present = place
  }

  return {
    async getBlockchainInfo({ signal } = { signal: new AbortController().signal }) {
      const places = nodes.map((_, place) => place)
      const looks = places.map(place => lookAt(place, signal))
      const all = Promise.all(looks)
      const noted = all.then(found => {
        heights = found.map(heightOf)
        return found
      })
      const own = await looks[present]
      assert(own !== undefined, 'the node in use is one of them')
      const height = heightOf(own, present)
      // What the others said the last time is older, so that who was ahead then is ahead now.
      const isGood = height !== null && heights.every(other => (other ?? 0) <= height)
      if (isGood && own.kind === 'info') return own.info
      const found = await noted
      change(chooseNode(heights, present))
      const look = found[present] ?? own
      if (look.kind === 'silent') throw look.error
      return look.info
    },
    getBlockHeader: hash => at(present).node.getBlockHeader(hash),
    async getBlockTemplate(request = {}) {
      const asked = present
      try {
        const reply = await at(asked).node.getBlockTemplate(request)
        if (asked !== present) throw new Error('another node gives templates meanwhile')
        failedAt.delete(asked)
        return reply
      } catch (error) {
        // A long poll that ends without an answer says nothing about the node.
        if (asked === present && !request.longPollId && !request.signal?.aborted)
          failedAt.set(asked, clock.now())
        throw error
      }
    },
  }
}
