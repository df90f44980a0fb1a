import { THUNDER_SLOT } from '../../lib/thunder/address.ts'
import { infoFor } from './enforcer/blocks.ts'
import type { SendOutcome } from './enforcer/wallet.ts'
import type { EnforcerParts } from './enforcer-sim.ts'
import type { MainBlockInfo } from './main-chain.ts'
import type { MainPort, PortOutcome } from './thunder/main-port.ts'

/** What the simulated Thunder node asks, answered by the simulated enforcer in the same process. */
export function enforcerPort({ follower, producer, wallet, opcode }: EnforcerParts): MainPort {
  const { blocks } = follower
  async function tip(): Promise<MainBlockInfo> {
    const block = blocks.find((await follower.sync()).tip)
    if (block === null) throw new Error('the main chain has its first block')
    return infoFor(THUNDER_SLOT, block)
  }
  return {
    tip,
    async upTo(hash, isKnown) {
      await follower.sync()
      const found: MainBlockInfo[] = []
      for (
        let at = blocks.find(hash);
        at !== null && !isKnown(at.hash);
        at = blocks.find(at.previous)
      )
        found.push(infoFor(THUNDER_SLOT, at))
      return blocks.find(hash) === null ? null : found.reverse()
    },
    nextBlock: () =>
      new Promise(resolve => {
        const end = follower.onBlock(block => {
          end()
          resolve(infoFor(THUNDER_SLOT, block))
        })
      }),
    wallet: wallet && {
      async bid({ valueSats, height, ...request }) {
        const state = await follower.sync()
        if (request.previousBlock !== state.tip)
          return refused(`invalid prev_bytes ${request.previousBlock}: expected ${state.tip}`)
        const bid = { ...request, slot: THUNDER_SLOT, feeSats: valueSats, locktime: height }
        return outcomeOf(await wallet.bid(bid), 'BMM request')
      },
      async deposit(deposit) {
        const state = await follower.sync()
        if (!state.active.has(THUNDER_SLOT))
          return refused(`sidechain ${THUNDER_SLOT} is not active`)
        const treasury = state.treasuries.get(THUNDER_SLOT) ?? null
        const made = await wallet.deposit({ ...deposit, slot: THUNDER_SLOT, opcode, treasury })
        return outcomeOf(made, 'deposit')
      },
      proposeBundle({ m6id, fee, payouts }) {
        if (producer.policy.bundles.some(each => each.m6id === m6id)) return
        const withdrawal = { version: 2, locktime: 0, payouts }
        producer.policy.bundles.push({ slot: THUNDER_SLOT, m6id, withdrawal, fee })
      },
    },
  }
}

function outcomeOf(outcome: SendOutcome, what: string): PortOutcome {
  if (outcome.kind === 'sent') return outcome
  if (outcome.kind === 'no funds') return refused(`failed to create ${what}: Insufficient funds`)
  return refused(`broadcast ${what} transaction failed: ${outcome.txid}`)
}

function refused(message: string): PortOutcome {
  return { kind: 'refused', message }
}
