import { z } from 'zod'
import { millisats } from '../../src/lib/money.ts'
import type { LndClient } from '../../src/lib/nodes/lnd-client.ts'
import type { LightningSigner } from '../../src/payouts/rails/lightning/signer.ts'
import { simulatedLightning } from '../../test/payouts/simulated-lightning.ts'

/** What is asked of the simulation, by the names that the pool knows. */
export type FarCall =
  | { readonly of: 'info' | 'liquidity' | 'newestPaymentIndex' }
  | { readonly of: 'track'; readonly given: Parameters<LndClient['track']> }
  | { readonly of: 'invoices'; readonly given: Parameters<LightningSigner['invoices']> }
  | { readonly of: 'pay'; readonly given: Parameters<LightningSigner['pay']> }
  | { readonly of: 'end'; readonly given: Parameters<LightningSigner['end']> }

/** A question with its number and the pool's time, which the simulation takes for its own. */
export type FarQuestion = { readonly id: number; readonly now: number; readonly call: FarCall }

/**
 * The simulated lnd and signer in a process of its own: it forgets no payment, and what it keeps is
 * none of the pool's memory.
 */
const question = z.custom<FarQuestion>(value => typeof value === 'object' && value !== null)
const balance = millisats(BigInt(process.argv[2] ?? '0'))
let now = 0
const { client, signer } = simulatedLightning(balance, () => now)

function answer(call: FarCall): Promise<unknown> {
  switch (call.of) {
    case 'track':
      return client.track(...call.given)
    case 'invoices':
      return signer.invoices(...call.given)
    case 'pay':
      return signer.pay(...call.given)
    case 'end':
      return signer.end(...call.given)
    default:
      return client[call.of]()
  }
}

process.on('message', async message => {
  const { id, now: told, call } = question.parse(message)
  now = told
  process.send?.({ id, answer: await answer(call) })
})
process.on('disconnect', () => process.exit())
