import { unreachable } from '../../lib/assert.ts'
import type { RewardMethod } from '../reward-method.ts'
import { pplns } from './pplns.ts'
import { pps } from './pps.ts'
import { solo } from './solo.ts'

/**
 * The methods by name, as a reward pool's configuration chooses one. The window of pplns is the
 * number of expected blocks whose work it holds.
 */
export type RewardMethodChoice =
  | { readonly method: 'solo' }
  | { readonly method: 'pps' }
  | { readonly method: 'pplns'; readonly window: number }

/** The list of reward methods: a new one is its file and its line here. */
export function rewardMethod(choice: RewardMethodChoice): RewardMethod {
  switch (choice.method) {
    case 'solo':
      return solo
    case 'pps':
      return pps
    case 'pplns':
      return pplns({ numerator: BigInt(choice.window), denominator: 1n })
    default:
      return unreachable(choice)
  }
}

/**
 * Where the books put a block whose finder no record of the pool names: no port promised it, so
 * no method of the configuration divides it, and it is the pool's own.
 */
const UNPROMISED_POOL = 'unknown'

/**
 * Finds the method of each reward pool.
 *
 * @throws Error for a pool that the configuration does not name: what it earned must wait, since
 *   guessing a method would pay the wrong people
 */
export function rewardMethods(
  choices: Readonly<Record<string, RewardMethodChoice>>,
): (rewardPool: string) => RewardMethod {
  const methods = new Map(
    Object.entries(choices).map(([name, choice]) => [name, rewardMethod(choice)]),
  )
  return rewardPool => {
    const method = rewardPool === UNPROMISED_POOL ? solo : methods.get(rewardPool)
    if (!method) throw new Error(`the configuration has no reward pool ${rewardPool} any more`)
    return method
  }
}
