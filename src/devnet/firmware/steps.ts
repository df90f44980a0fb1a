import { z } from 'zod'
import { FirmwareFailure, type Message, type Rig, StepSkipped } from './rig.ts'

const subscribeResult = z.tuple([
  z.array(z.tuple([z.string(), z.string()])).min(1),
  z.string().regex(/^([0-9a-fA-F]{2})*$/),
  z.int(),
])

/** Ends the client with the words of what it would have met. */
export function demand(condition: boolean, otherwise: string): void {
  if (!condition) throw new FirmwareFailure(otherwise)
}

/** Takes a subscribe result into the rig's knowledge. */
export function readSubscription(rig: Rig, answer: Message): void {
  demand(answer.error === null || answer.error === undefined, `subscribe failed: ${answer.line}`)
  const parsed = subscribeResult.safeParse(answer.result).data
  if (parsed === undefined) throw new FirmwareFailure(`a subscribe result unread: ${answer.line}`)
  const [subscriptions, extranonce1, extranonce2Bytes] = parsed
  const { state } = rig
  state.extranonce1 = extranonce1
  state.extranonce2Bytes = extranonce2Bytes
  state.sessionId = subscriptions.find(([method]) => method === 'mining.notify')?.[1] ?? null
  state.isSubscribed = true
}

/** The next line must be the answer: whoever reads one line and takes it for that. */
export async function nextMustAnswer(rig: Rig, id: number): Promise<Message> {
  const line = await rig.next()
  const isAnswer = line.method === undefined && line.id === id
  demand(isAnswer, `the first line after request ${id} is another: ${line.line.slice(0, 80)}`)
  return line
}

export function demandTrue(answer: Message, what: string): void {
  demand(answer.result === true, `${what} was refused: ${answer.line}`)
}

/** Waits for a job where there is none yet. */
export async function demandJob(rig: Rig): Promise<void> {
  await rig.until(() => rig.state.job !== null, 'a job')
}

export type SubmitWay = {
  readonly id: number
  readonly user?: string
  /** Rolls the version and says so in a sixth param. */
  readonly rollsVersion?: boolean
  /** Writes the nonce as its firmware does. */
  readonly spellNonce?: (nonce: string) => string
}

/** Finds a share and submits it: it must be accepted. */
export async function submitShare(
  rig: Rig,
  { id, user = rig.target.user, rollsVersion = false, spellNonce = nonce => nonce }: SubmitWay,
): Promise<void> {
  await demandJob(rig)
  const found = await rig.findShare(rollsVersion ? rig.state.versionMask : 0)
  if (found === null)
    throw new StepSkipped(`difficulty ${rig.state.job?.difficulty} is too high to find a share`)
  const [job, extranonce2, time, nonce = '', ...bits] = found.params
  rig.send(id, 'mining.submit', [user, job, extranonce2, time, spellNonce(nonce), ...bits])
  demandTrue(await rig.answerTo(id), 'a share')
}

/** Bytes of the whole coinbase of the current job, extranonces included. */
export function coinbaseBytes({ state }: Rig): number {
  const { job, extranonce1, extranonce2Bytes } = state
  if (job === null) throw new FirmwareFailure('there is no job')
  const { coinbase1, coinbase2 } = job.work
  return coinbase1.length + extranonce1.length / 2 + extranonce2Bytes + coinbase2.length
}
