import { workFromTarget } from '../../lib/bitcoin/target.ts'
import { toHex } from '../../lib/bytes.ts'
import { blockHash, type UnixMs } from '../../lib/ids.ts'
import { sats } from '../../lib/money.ts'
import type { Clock } from '../../lib/time.ts'
import type { ShareRow } from '../group-store.ts'
import { assembleBlock } from '../job.ts'
import type { Candidate } from '../share.ts'
import type { Recording } from '../share-store.ts'
import type { Effect, NodeAnswer } from './session-state.ts'

/** Longest answer of a node that `block_candidates` holds; the rest is cut. */
const ANSWER_CHARS_MAX = 500

/** A node that takes blocks. */
export type BlockNode = {
  readonly name: string
  /**
   * @returns null when it took the block, or its word for why not (BIP 22). Rejects when it did not
   *   answer; it does so in bounded time, since the miner's reply waits for it.
   */
  readonly submitBlock: (block: Uint8Array) => Promise<string | null>
}

/** Sends a block to all nodes at once, and hears what each says of it. */
export async function submitToAll(
  nodes: readonly BlockNode[],
  candidate: Candidate,
): Promise<readonly NodeAnswer[]> {
  const block = assembleBlock(candidate.job, candidate)
  return Promise.all(
    nodes.map(async ({ name: node, submitBlock }) => {
      try {
        const word = await submitBlock(block)
        // Where our nodes are connected, one may have it from the other before we come.
        const accepted = word === null || word === 'duplicate'
        return { node, accepted, text: word ?? 'accepted' }
      } catch (error) {
        return { node, accepted: false, text: `no answer: ${String(error)}` }
      }
    }),
  )
}

/** What to store of a submission: the share if it is one, and a block once a node took it. */
export function recordingOf(
  effect: Extract<Effect, { kind: 'record' }>,
  scheme: string,
  clock: Clock,
): Recording {
  const share = shareOf(effect)
  return effect.answers.length === 0
    ? { share, candidates: [], block: null }
    : { share, ...blockOf(effect, scheme, clock.now()) }
}

function shareOf({ pending, verdict }: Extract<Effect, { kind: 'record' }>): ShareRow | null {
  const { candidate, worker, sessionId, receivedAt } = pending
  if (verdict.kind !== 'accepted' || worker === null) return null
  const { job, extranonce2 } = candidate
  const { hash, header } = verdict.proof
  return {
    height: job.template.height,
    hash,
    accountId: worker.accountId,
    workerId: worker.workerId,
    sessionId,
    jobId: job.id,
    difficultyLog2: verdict.difficultyLog2,
    header,
    extranonce2,
    receivedAt,
  }
}

function blockOf(
  { pending, verdict, answers, accountId }: Extract<Effect, { kind: 'record' }>,
  scheme: string,
  now: UnixMs,
): Omit<Recording, 'share'> {
  const { candidate, worker, sessionId, receivedAt } = pending
  const { id: jobId, template, paid } = candidate.job
  const { height, target } = template
  const value = sats(template.value - (paid?.amount ?? 0n))
  const hash = blockHash(toHex(verdict.proof.hash))
  const candidates = answers.map(({ node, text }) => ({
    ...{ hash, node, height, jobId, sessionId, submittedAt: now },
    answer: text.slice(0, ANSWER_CHARS_MAX),
  }))
  const block = answers.some(({ accepted }) => accepted)
    ? {
        ...{ hash, height, sessionId, scheme, value, paid, foundAt: receivedAt },
        accountId: worker?.accountId ?? accountId,
        work: workFromTarget(target),
      }
    : null
  return { candidates, block }
}
