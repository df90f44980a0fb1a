import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { z } from 'zod'
import { fromHex } from '../../lib/bytes.ts'
import { createHeaderHash } from '../header-hash.ts'
import { type Found, searchNonces } from '../nonce-search.ts'
import { parseNotify, targetFromDifficulty, type Work } from '../stratum-work.ts'

/** A pool sends nothing longer. */
const LINE_BYTES_MAX = 1024 * 1024
/** Lines that a client has not looked at; a pool that says more is cut off. */
const UNREAD_MAX = 10_000
/** Hashes between two looks at the socket. */
const HASHES_PER_TURN = 20_000

/** Where the client of a run connects to, and as whom. */
export type RigTarget = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** What the client may spend on one share; a difficulty that wants more is left untried. */
  readonly hashesMax: number
  /** How long it waits for a line. */
  readonly patienceMs: number
}

/** What the client cannot do, or would break on. */
export class FirmwareFailure extends Error {}
/** Why a step says nothing about the pool. */
export class StepSkipped extends Error {}

/** A line of the pool, as far as all lines are alike. */
const message = z.object({
  id: z.union([z.number(), z.string(), z.null()]).optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
})
export type Message = z.infer<typeof message> & { readonly line: string }

/** A job, and the difficulty that was announced before it. */
export type RigJob = { readonly params: unknown; readonly work: Work; readonly difficulty: number }

/** What one client does on every line before its own steps see it. Throws FirmwareFailure. */
export type Quirks = { readonly hear?: (message: Message, rig: Rig) => void }

/** What the client knows; everything of it comes from the pool. */
export type RigState = {
  sessionId: string | null
  extranonce1: string
  extranonce2Bytes: number
  /** Takes force with the next job. */
  difficulty: number
  /** Whether the pool has said one at all. */
  isDifficultySaid: boolean
  versionMask: number
  isSubscribed: boolean
  job: RigJob | null
  jobIds: string[]
}

/** A client's connection, which reads line by line and knows what has been said. */
export type Rig = {
  readonly target: RigTarget
  readonly state: RigState
  /** Begins anew; what an earlier connection knew is forgotten but for the session's name. */
  readonly connect: () => Promise<void>
  readonly send: (id: number | null, method: string, params: readonly unknown[]) => void
  /** The next line, whatever it is. */
  readonly next: () => Promise<Message>
  /** Reads on until the response with that id. */
  readonly answerTo: (id: number) => Promise<Message>
  /** Reads on until it holds. */
  readonly until: (isIt: () => boolean, what: string) => Promise<void>
  /** A share on the current job that was not found before; null when it takes too many hashes. */
  readonly findShare: (versionMask: number) => Promise<Found | null>
  readonly close: () => void
}

export async function startRig(target: RigTarget, makeQuirks: () => Quirks): Promise<Rig> {
  const hash = await createHeaderHash()
  const state: RigState = newState()
  let socket: Socket | null = null
  let unread: string[] = []
  let wake = () => {}
  let counter = 0
  let quirks = makeQuirks()

  async function open(): Promise<void> {
    socket?.destroy()
    Object.assign(state, { ...newState(), sessionId: state.sessionId })
    unread = []
    quirks = makeQuirks()
    const { host, port, patienceMs } = target
    const opened = connect({ host, port, noDelay: true })
    const late = setTimeout(() => opened.destroy(new Error('no connection in time')), patienceMs)
    try {
      await once(opened, 'connect')
    } catch (error) {
      throw new FirmwareFailure(`no connection: ${String(error)}`)
    } finally {
      clearTimeout(late)
    }
    socket = opened
    let rest = ''
    opened.setEncoding('utf8')
    opened.on('error', () => opened.destroy())
    opened.on('close', () => wake())
    opened.on('data', chunk => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      unread.push(...lines.filter(line => line.trim() !== ''))
      if (rest.length > LINE_BYTES_MAX || unread.length > UNREAD_MAX) opened.destroy()
      wake()
    })
  }

  async function next(): Promise<Message> {
    const until = performance.now() + target.patienceMs
    for (;;) {
      const line = unread.shift()
      if (line !== undefined) return hear(line)
      const left = until - performance.now()
      if (socket === null || socket.destroyed) throw new FirmwareFailure('the pool hung up')
      if (left <= 0) throw new FirmwareFailure(`no line within ${target.patienceMs} ms`)
      await new Promise<void>(resolve => {
        const late = setTimeout(resolve, left)
        wake = () => {
          clearTimeout(late)
          resolve()
        }
      })
    }
  }

  function hear(line: string): Message {
    const parsed = parseMessage(line)
    quirks.hear?.(parsed, rig)
    learn(state, parsed)
    if (parsed.method === 'mining.ping')
      socket?.write(`${JSON.stringify({ id: parsed.id, result: 'pong', error: null })}\n`)
    return parsed
  }

  async function findShare(versionMask: number): Promise<Found | null> {
    const { job, extranonce1, extranonce2Bytes } = state
    if (job === null) throw new FirmwareFailure('there is no job to work on')
    if (job.difficulty * 2 ** 32 > target.hashesMax) return null
    const search = searchNonces({
      ...{ work: job.work, target: targetFromDifficulty(job.difficulty), versionMask, hash },
      ...{ extranonce1: fromHex(extranonce1), extranonce2Bytes, takeCounter: () => ++counter },
    })
    // Bad luck is no fault of the pool's: e^-10 of all searches find nothing.
    for (let hashes = 0; hashes < 10 * target.hashesMax; hashes += HASHES_PER_TURN) {
      const found = search.next(HASHES_PER_TURN)
      if (found !== null) return found
      await new Promise(resolve => setImmediate(resolve))
    }
    return null
  }

  const rig: Rig = {
    ...{ target, state, next, findShare, connect: open },
    send: (id, method, params) => socket?.write(`${JSON.stringify({ id, method, params })}\n`),
    answerTo: async id => {
      for (;;) {
        const heard = await next()
        if (heard.method === undefined && heard.id === id) return heard
      }
    },
    until: async (isIt, what) => {
      try {
        while (!isIt()) await next()
      } catch (error) {
        if (!(error instanceof FirmwareFailure)) throw error
        throw new FirmwareFailure(`${what} never came: ${error.message}`)
      }
    },
    close: () => socket?.destroy(),
  }
  return rig
}

function newState(): RigState {
  return {
    sessionId: null,
    extranonce1: '',
    extranonce2Bytes: 0,
    difficulty: 1,
    isDifficultySaid: false,
    versionMask: 0,
    isSubscribed: false,
    job: null,
    jobIds: [],
  }
}

const difficultyParams = z.tuple([z.number().positive()])
const maskParams = z.tuple([z.string().regex(/^[0-9a-fA-F]{1,8}$/)])
const extranonceParams = z.tuple([z.string(), z.int().min(1).max(32)])

/** What every client takes from a line. A difficulty counts from the next job on. */
function learn(state: RigState, { method, params }: Message): void {
  switch (method) {
    case 'mining.set_difficulty': {
      const difficulty = difficultyParams.safeParse(params).data?.[0]
      if (difficulty === undefined) throw new FirmwareFailure('a difficulty that is no number')
      Object.assign(state, { difficulty, isDifficultySaid: true })
      return
    }
    case 'mining.set_version_mask': {
      const mask = maskParams.safeParse(params).data?.[0]
      if (mask === undefined) throw new FirmwareFailure('a version mask that is no hex')
      state.versionMask = Number.parseInt(mask, 16)
      return
    }
    case 'mining.set_extranonce': {
      const given = extranonceParams.safeParse(params).data
      if (given === undefined) throw new FirmwareFailure('an extranonce that is none')
      ;[state.extranonce1, state.extranonce2Bytes] = given
      return
    }
    case 'mining.notify': {
      const work = parseNotify(params)
      if (work === null) throw new FirmwareFailure('a job that cannot be read')
      state.job = { params, work, difficulty: state.difficulty }
      state.jobIds.push(work.jobId)
      return
    }
  }
}

function parseMessage(line: string): Message {
  try {
    const parsed = message.safeParse(JSON.parse(line)).data
    if (parsed) return { ...parsed, line }
  } catch {
    // Told below, as what is JSON but no message is.
  }
  throw new FirmwareFailure(`a line that is no message: ${line.slice(0, 80)}`)
}
