import { setTimeout as sleep } from 'node:timers/promises'
import type { Network } from '../lib/bitcoin/network.ts'
import type { BlockHash, UnixMs } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { BitcoindClient, BlockHeaderInfo } from '../lib/nodes/bitcoind-client.ts'
import type { BlockTemplateReply } from '../lib/nodes/block-template.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import { watchBlockHashes } from '../lib/nodes/zmq-source.ts'
import type { Clock } from '../lib/time.ts'
import { type Arrange, arrangeTemplate, type CoinbaseParts } from './arrangement.ts'
import { emptyTemplateOn } from './empty-template.ts'
import { nodeComplaint } from './node-choice.ts'
import { readTemplate, type Template } from './template.ts'
import { createBell } from './template-bell-source.ts'

/** Why there is no work to hand out. */
export type PauseReason =
  | 'node lost'
  | 'wrong network'
  | 'node is syncing'
  | 'node gives no template'
  | 'template refused'

/** What the pool hears of its node. */
export type TemplateEvent =
  /** Work on it; `isNewBlock` says that the previous block changed. */
  | { readonly kind: 'template'; readonly template: Template; readonly isNewBlock: boolean }
  /** Hand out no more work until the next template. */
  | { readonly kind: 'paused'; readonly reason: PauseReason; readonly detail: string }

export type TemplateSource = {
  /** Asks for a template now, since it would be arranged in another way. */
  readonly renew: () => void
  readonly stop: () => Promise<void>
}

/** What templates are asked of. */
export type TemplateNode = Pick<
  BitcoindClient,
  'getBlockchainInfo' | 'getBlockHeader' | 'getBlockTemplate'
>

/** How templates are arranged before work is made of them. */
export type Arranging = {
  readonly arrange: Arrange
  readonly parts: CoinbaseParts
  /** Whether a template on the same block is new work early though it gains little. */
  readonly isWorthwhile: (next: BlockTemplateReply, current: Template) => boolean
}

/** How often the node is asked whether it is well and where the tip is, if nothing else tells. */
const POLL_MS = 5_000
/** A template is renewed after that, so that times advance and no miner thinks us gone. */
const TEMPLATE_AGE_MAX_MS = 30_000
/** Work goes on for so long without the node; after that the tip has likely moved on. */
const LOST_MAX_MS = 60_000
/** A full template that is not there by then is waited for on work without transactions. */
const EMPTY_AFTER_MS = 5
/** What a block gains, in parts of its value, for which miners get new work early: 1 %. */
const GAIN_PARTS = 100n

type Problem = { readonly reason: PauseReason; readonly detail: string }

/**
 * Follows a node's templates: the `hashblock` doorbell or a long poll tells of a new block at once,
 * a look every five seconds stands in for both and finds out whether the node is well. Everything
 * is asked in one loop, so templates never overtake each other. Where the doorbell has named a new
 * tip and its template takes its time, work without transactions comes first. It recovers by itself,
 * and says each change of the node's condition once.
 *
 * While the doorbell has named the tip that is worked on there is no long poll: it would wake at the
 * same instant and make its template under the lock that the question after the new tip waits for.
 */
export function watchTemplates(options: {
  readonly node: TemplateNode
  readonly network: Network
  /** Without it templates are mined as they come. */
  readonly arranging?: Arranging
  readonly zmqHashBlockUrl?: string
  readonly clock: Clock
  readonly log: Log
  readonly onEvent: (event: TemplateEvent) => void
}): TemplateSource {
  const { node, network, arranging, clock, log, onEvent } = options
  const stopping = new AbortController()
  const bell = createBell()
  type Current = {
    readonly template: Template
    readonly at: UnixMs
    readonly longPollId: string | null
    /** Made without the node, until its template is there. */
    readonly isEmpty: boolean
  }
  let current: Current | null = null
  let problem: Problem | null = null
  let isPaused = false
  let lastWellAt = clock.now()
  let longPoll: AbortController | null = null
  /** By the doorbell, as the newest tip. */
  let named: BlockHash | null = null

  function well(): void {
    lastWellAt = clock.now()
    if (problem) log.info({ was: problem.reason }, 'the node gives work again')
    problem = null
  }

  /** @param isWorkGood whether the work that is out may still be the best for a while */
  function trouble(found: Problem, isWorkGood: boolean): void {
    if (problem?.reason !== found.reason) log.warn(found, 'trouble with the node')
    problem = found
    if (isWorkGood && current && clock.now() - lastWellAt <= LOST_MAX_MS) return
    if (!isPaused) onEvent({ kind: 'paused', ...found })
    isPaused = true
    current = null
  }

  function deliver(reply: BlockTemplateReply): void {
    const arranged = arranging ? arrangeTemplate(reply, arranging.arrange, arranging.parts) : reply
    // Most replies are no news, and reading one hashes every transaction on the way of the shares.
    if (current && isYoung(current.at) && isNoNews(arranged, current)) {
      well()
      // Its long poll id is newer all the same.
      current = { ...current, longPollId: arranged.longPollId }
      return
    }
    const outcome = readTemplate(arranged, network)
    if (outcome.kind === 'refused') {
      const detail = `${outcome.reason}: ${outcome.detail}`
      trouble({ reason: 'template refused', detail }, false)
      return
    }
    const { template } = outcome
    well()
    const isNewBlock = template.previousBlock !== current?.template.previousBlock
    handOut(template, { isNewBlock, isEmpty: false })
  }

  function handOut(
    template: Template,
    { isNewBlock, isEmpty }: { readonly isNewBlock: boolean; readonly isEmpty: boolean },
  ): void {
    current = { template, at: clock.now(), longPollId: template.longPollId, isEmpty }
    isPaused = false
    onEvent({ kind: 'template', template, isNewBlock })
  }

  /** The node makes its template under the lock that every other question waits for, too. */
  async function emptyFirst(tip: BlockHeaderInfo, full: Promise<unknown>): Promise<void> {
    const at = { network, now: clock.now() }
    const empty = current && !problem ? emptyTemplateOn(tip, current.template, at) : null
    if (empty === null || (await isSettledWithin(EMPTY_AFTER_MS, full))) return
    handOut(empty, { isNewBlock: true, isEmpty: true })
  }

  async function look(): Promise<void> {
    let tip: BlockHash | null = null
    let reply: BlockTemplateReply
    const { signal } = stopping
    const heard = isTipNamed() ? null : named
    try {
      const [info, header] = await Promise.all([
        node.getBlockchainInfo({ signal }),
        // Without it the full template is waited for; what ails the node the other question tells.
        heard === null ? null : node.getBlockHeader(heard).catch(() => null),
      ])
      const unfit = nodeComplaint(info, network)
      if (unfit) {
        trouble(unfit, false)
        return
      }
      tip = info.bestBlock
      const full = node.getBlockTemplate({ signal })
      if (header?.hash === tip) await emptyFirst(header, full)
      reply = await full
    } catch (error) {
      if (signal.aborted) return
      longPoll?.abort()
      // Once the tip is known to have moved, what is out is worthless, however short the trouble.
      trouble(problemOf(error), tip === null || tip === current?.template.previousBlock)
      return
    }
    deliver(reply)
  }

  const isTipNamed = () => named === current?.template.previousBlock
  const isYoung = (at: UnixMs) => clock.now() - at < TEMPLATE_AGE_MAX_MS

  function isNoNews(next: BlockTemplateReply, { template: now, isEmpty }: Current): boolean {
    if (isEmpty || next.previousBlock !== now.previousBlock || isDearer(next, now)) return false
    return !arranging?.isWorthwhile(next, now)
  }

  /** One at a time: a node keeps a thread for each until its template changes. */
  function startLongPoll(): void {
    const id = current?.longPollId
    if (longPoll || !id || isTipNamed()) return
    const abort = new AbortController()
    longPoll = abort
    const signal = AbortSignal.any([abort.signal, stopping.signal])
    node
      .getBlockTemplate({ longPollId: id, signal })
      .then(bell.ringWith, () => undefined) // A poll that broke is begun again after the next look.
      .finally(() => {
        longPoll = null
      })
  }

  async function run(): Promise<void> {
    let reply: BlockTemplateReply | null = null
    while (!stopping.signal.aborted) {
      if (reply && !problem) deliver(reply)
      else await look()
      if (!problem) startLongPoll()
      reply = await bell.next(POLL_MS, stopping.signal)
    }
  }

  const { zmqHashBlockUrl } = options
  const hear = (hash: BlockHash) => {
    named = hash
    bell.ring()
  }
  const doorbell = zmqHashBlockUrl ? watchBlockHashes(zmqHashBlockUrl, hear) : null
  const done = run()
  return {
    renew: bell.ring,
    stop: async () => {
      stopping.abort()
      await doorbell?.stop()
      await done
    },
  }
}

function problemOf(error: unknown): Problem {
  const detail = error instanceof Error ? error.message : String(error)
  const isReply = !(error instanceof NodeUnreachable)
  return { reason: isReply ? 'node gives no template' : 'node lost', detail }
}

function isDearer(next: BlockTemplateReply, now: Template): boolean {
  return (next.value - now.value) * GAIN_PARTS >= now.value
}

/** Whether it has ended, well or not, by then. */
function isSettledWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = work.then(
    () => true,
    () => true,
  )
  return Promise.race([ended, sleep(ms, false)])
}
