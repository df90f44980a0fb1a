import { unreachable } from '../../lib/assert.ts'
import {
  FirmwareFailure,
  type Quirks,
  type Rig,
  type RigTarget,
  StepSkipped,
  startRig,
} from './rig.ts'

/** One thing that a client does or demands, in its own order, and where that was learnt. */
export type Step = {
  readonly title: string
  /** Project and file or thread. */
  readonly source: string
  /** Throws FirmwareFailure where the client would fail. */
  readonly act: (rig: Rig) => Promise<void>
}

/** A client as its source code behaves, emulated: no hardware is in it. */
export type Firmware = {
  readonly name: string
  readonly steps: readonly Step[]
  /** Made anew for each connection. */
  readonly quirks: () => Quirks
}

export type StepOutcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  /** It cannot be tried here, for example since no share is found in time. */
  | { readonly kind: 'skipped'; readonly why: string }
  /** A step before failed, and the client had stopped there. */
  | { readonly kind: 'not reached' }

export type FirmwareReport = {
  readonly name: string
  readonly steps: readonly (Pick<Step, 'title' | 'source'> & { readonly outcome: StepOutcome })[]
}

/** Goes through a client's steps against a pool. It never rejects for what the pool does. */
export async function playFirmware(
  { name, steps, quirks }: Firmware,
  target: RigTarget,
): Promise<FirmwareReport> {
  const rig = await startRig(target, quirks)
  const done: FirmwareReport['steps'][number][] = []
  try {
    for (const { title, source, act } of steps) {
      const isOver = done.some(({ outcome }) => outcome.kind === 'failed')
      const outcome: StepOutcome = isOver ? { kind: 'not reached' } : await tryStep(act, rig)
      done.push({ title, source, outcome })
    }
  } finally {
    rig.close()
  }
  return { name, steps: done }
}

async function tryStep(act: Step['act'], rig: Rig): Promise<StepOutcome> {
  try {
    await act(rig)
    return { kind: 'passed' }
  } catch (error) {
    if (error instanceof StepSkipped) return { kind: 'skipped', why: error.message }
    if (error instanceof FirmwareFailure) return { kind: 'failed', why: error.message }
    throw error
  }
}

/** Whether a client got through; what was skipped counts neither way. */
export function isGreen({ steps }: FirmwareReport): boolean {
  return steps.every(({ outcome }) => {
    switch (outcome.kind) {
      case 'passed':
      case 'skipped':
        return true
      case 'failed':
      case 'not reached':
        return false
      default:
        return unreachable(outcome)
    }
  })
}
