import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { z } from 'zod'
import type { Millisats } from '../../src/lib/money.ts'
import type { LndClient } from '../../src/lib/nodes/lnd-client.ts'
import { type Clock, systemClock } from '../../src/lib/time.ts'
import type { LightningSigner } from '../../src/payouts/rails/lightning/signer.ts'
import type { RealLightning } from '../../test/payouts/lightning-world.ts'
import type { FarCall, FarQuestion } from './lightning-process.ts'
import type { Scene } from './scene.ts'

/** A simulated lnd and signer in a process of their own. */
export type FarLightning = RealLightning & { readonly pid: number }

const answered = z.object({ id: z.int(), answer: z.unknown() })

/** @param balance what the simulated channels can send */
export function farLightning(scene: Scene, balance: Millisats): FarLightning {
  const child = fork(join(import.meta.dirname, 'lightning-process.ts'), [String(balance)], {
    // What is asked holds amounts, and what is answered maps: JSON has neither.
    serialization: 'advanced',
  })
  const exited = once(child, 'exit')
  scene.keep(async () => {
    if (child.connected) child.disconnect()
    await exited
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the simulation did not start')
  const waiting = new Map<number, (answer: unknown) => void>()
  let asked = 0
  let clock: Clock = systemClock
  child.on('message', message => {
    const { id, answer } = answered.parse(message)
    waiting.get(id)?.(answer)
    waiting.delete(id)
  })
  /** What comes back was made by the simulation from the same types. */
  const ask = async <T>(call: FarCall): Promise<T> => {
    const id = ++asked
    const { promise, resolve } = Promise.withResolvers<unknown>()
    waiting.set(id, resolve)
    const question: FarQuestion = { id, now: clock.now(), call }
    child.send(question)
    return z.custom<T>().parse(await promise)
  }
  const client: LndClient = {
    info: () => ask({ of: 'info' }),
    liquidity: () => ask({ of: 'liquidity' }),
    channels: () => Promise.reject(new Error('nothing is overdue')),
    newestPaymentIndex: () => ask({ of: 'newestPaymentIndex' }),
    track: (...given) => ask({ of: 'track', given }),
    decode: () => Promise.reject(new Error('the signer decodes')),
    pay: () => Promise.reject(new Error('the signer pays')),
  }
  const signer: LightningSigner = {
    invoices: (...given) => ask({ of: 'invoices', given }),
    pay: (...given) => ask({ of: 'pay', given }),
    end: (...given) => ask({ of: 'end', given }),
  }
  return {
    ...{ client, pid },
    signerOf: parts => {
      clock = parts.clock
      return signer
    },
  }
}
