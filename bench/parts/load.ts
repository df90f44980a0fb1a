import { z } from 'zod'
import { startChild } from './child.ts'
import type { Scene } from './scene.ts'

/** What a load is told, one after another. */
export const question = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('connect'), port: z.number(), connections: z.number() }),
  z.object({ kind: z.literal('submit'), perSecond: z.number().nullable() }),
  z.object({ kind: z.literal('flood'), port: z.number(), linesPerSecond: z.number() }),
  z.object({ kind: z.literal('flooded') }),
  z.object({ kind: z.literal('quiet') }),
  z.object({ kind: z.literal('look') }),
  z.object({ kind: z.literal('expect notifies') }),
  z.object({ kind: z.literal('notifies') }),
])

const lookAnswer = z.object({
  accepted: z.number(),
  refused: z.number(),
  p50Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
  maxMs: z.number().nullable(),
})
/** What happened since the last look; no latency where nothing was answered. */
export type Look = z.infer<typeof lookAnswer>

const done = z.object({})
const notifies = z.object({ at: z.array(z.number()), fullAt: z.array(z.number()) })
/** Times of the shared clock, in order, at which connections heard of a new block. */
export type Notifies = z.infer<typeof notifies>

/** Many miners in a process of their own, none of which hashes. */
export type Load = {
  /** Resolves when all are authorized and have a job. */
  readonly connect: (port: number, connections: number) => Promise<unknown>
  /**
   * From now on shares, at most one in flight a connection.
   *
   * @param perSecond null: each connection submits as soon as it is answered
   */
  readonly submit: (perSecond: number | null) => Promise<unknown>
  /** From now on bad shares, on connections that come back whenever they are ended. */
  readonly flood: (port: number, linesPerSecond: number) => Promise<unknown>
  /** @returns bad shares sent so far */
  readonly flooded: () => Promise<number>
  readonly quiet: () => Promise<unknown>
  readonly look: () => Promise<Look>
  readonly expectNotifies: () => Promise<unknown>
  /** Resolves when every connection has a job with transactions; the first job may have none. */
  readonly notifies: () => Promise<Notifies>
  readonly stop: () => Promise<void>
}

export async function startLoad(scene: Scene): Promise<Load> {
  const child = await startChild(scene, 'load-process.ts', {})
  const ask = <T>(asked: z.infer<typeof question>, answer: z.ZodType<T>) => child.ask(asked, answer)
  return {
    connect: (port, connections) => ask({ kind: 'connect', port, connections }, done),
    submit: perSecond => ask({ kind: 'submit', perSecond }, done),
    flood: (port, linesPerSecond) => ask({ kind: 'flood', port, linesPerSecond }, done),
    flooded: async () => (await ask({ kind: 'flooded' }, z.object({ lines: z.number() }))).lines,
    quiet: () => ask({ kind: 'quiet' }, done),
    look: () => ask({ kind: 'look' }, lookAnswer),
    expectNotifies: () => ask({ kind: 'expect notifies' }, done),
    notifies: () => ask({ kind: 'notifies' }, notifies),
    stop: child.stop,
  }
}
