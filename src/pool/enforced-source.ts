import type { Log } from '../lib/log.ts'
import type { BlockTemplateReply } from '../lib/nodes/block-template.ts'
import type { EnforcerTemplateClient } from '../lib/nodes/enforcer-template-client.ts'
import type { TemplateNode } from './template-source.ts'

/** Ids of long polls that are remembered as the node's; each look gives at most one. */
const NODE_IDS_MAX = 16

/**
 * Templates of an enforcer while it gives them, else those of the node, from which whatever touches
 * sidechains must then be left out. It falls back where the enforcer is silent, catches up, breaks
 * down, or builds on another block than the node, and says each change once. While it is away it
 * is asked beside the node, so that nobody waits for it.
 */
export function withEnforcer(options: {
  readonly node: TemplateNode
  readonly enforcer: Pick<EnforcerTemplateClient, 'getBlockTemplate'>
  readonly log: Log
}): TemplateNode {
  const { node, enforcer, log } = options
  const nodeIds = new Set<string>()
  let isAway = false
  let isProbing = false

  function away(error: unknown): void {
    if (!isAway)
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'the enforcer gives no template: mining on the node, without what touches sidechains',
      )
    isAway = true
  }

  function back(): void {
    if (isAway) log.info({}, 'the enforcer gives templates again')
    isAway = false
  }

  async function fromNode(
    request: { readonly longPollId?: string; readonly signal?: AbortSignal },
    enforcerId: string | null,
  ): Promise<BlockTemplateReply> {
    const { longPollId, signal } = request
    const reply = await node.getBlockTemplate({
      ...(longPollId && nodeIds.has(longPollId) ? { longPollId } : {}),
      ...(signal ? { signal } : {}),
    })
    // An enforcer that only lags behind tells by its long poll when it is there.
    if (enforcerId !== null) return { ...reply, longPollId: enforcerId }
    remember(reply.longPollId)
    return reply
  }

  function remember(id: string | null): void {
    if (id !== null) nodeIds.add(id)
    for (const oldest of nodeIds) {
      if (nodeIds.size <= NODE_IDS_MAX) break
      nodeIds.delete(oldest)
    }
  }

  function probe(): void {
    if (isProbing) return
    isProbing = true
    enforcer
      .getBlockTemplate()
      .then(back, away)
      .finally(() => {
        isProbing = false
      })
  }

  async function getBlockTemplate(
    request: { readonly longPollId?: string; readonly signal?: AbortSignal } = {},
  ): Promise<BlockTemplateReply> {
    const { longPollId, signal } = request
    if (isAway) probe()
    if (isAway || (longPollId && nodeIds.has(longPollId))) return fromNode(request, null)
    let reply: BlockTemplateReply
    try {
      reply = await enforcer.getBlockTemplate(request)
    } catch (error) {
      if (signal?.aborted) throw error
      away(error)
      return fromNode({ ...(signal ? { signal } : {}) }, null)
    }
    back()
    const { bestBlock } = await node.getBlockchainInfo(signal ? { signal } : undefined)
    if (reply.previousBlock === bestBlock) return reply
    return fromNode({ ...(signal ? { signal } : {}) }, reply.longPollId)
  }

  const { getBlockchainInfo, getBlockHeader } = node
  return { getBlockchainInfo, getBlockHeader, getBlockTemplate }
}
