import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { z } from 'zod'
import type { Scene } from './scene.ts'

/** A process of its own, so that what it burns is not counted as another's. */
export type Child = {
  readonly pid: number
  /** One question at a time; the answer is read by the schema. */
  readonly ask: <T>(question: object, answer: z.ZodType<T>) => Promise<T>
  readonly stop: () => Promise<void>
}

/**
 * Starts a file of this folder, which must call {@link answerParent}.
 *
 * @param settings what the file reads with {@link settingsOf}
 * @param nodeOptions of Node itself, such as `--expose-gc`
 */
export async function startChild(
  scene: Scene,
  file: string,
  settings: object,
  nodeOptions: readonly string[] = [],
): Promise<Child> {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(settings)], {
    execArgv: [...process.execArgv, ...nodeOptions],
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    if (child.connected) child.disconnect()
    await exited
  }
  scene.keep(stop)
  const died = exited.then(() => {
    throw new Error(`${file} ended too early`)
  })
  // Its end is an error only for who waits for an answer.
  died.catch(() => {})
  const hear = async () => (await Promise.race([once(child, 'message'), died]))[0]
  await hear()
  const { pid } = child
  if (pid === undefined) throw new Error(`${file} did not start`)
  return {
    pid,
    async ask(question, answer) {
      const heard = hear()
      child.send(question)
      return answer.parse(await heard)
    },
    stop,
  }
}

/** In a child: what {@link startChild} was given. */
export function settingsOf<T>(schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(process.argv[2] ?? ''))
}

/**
 * In a child: says that it is ready, answers each question, and ends when the parent lets it go or
 * is gone.
 */
export function answerParent<Question>(
  question: z.ZodType<Question>,
  answer: (question: Question) => Promise<object> | object,
): void {
  process.on('message', async message => process.send?.(await answer(question.parse(message))))
  process.on('disconnect', () => process.exit())
  process.send?.({ ready: true })
}

/** Milliseconds of the clock that all processes of a machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
