import { thunderEra } from '../../../lib/thunder/era.ts'
import { stallOf } from './evidence.ts'
import { mainChain } from './main-chain-client.ts'
import { sideChain } from './side-chain-client.ts'
import type { Chains, ThunderWatch } from './thunder-parts.ts'

/**
 * Both chains as our nodes show them. Which era the Thunder node is of is asked once, and again
 * after it did not answer: it may have been replaced meanwhile.
 */
export function chainsOf({ client, node, complaint }: ThunderWatch): Chains {
  const side = sideChain(client)
  const { placeOf } = mainChain(node)
  let isUsable = false
  return {
    side,
    placeOf,
    complaint: async () => {
      const reason = await complaint()
      if (reason !== null) return reason
      if (isUsable) return null
      const era = thunderEra(await client.methods())
      isUsable = era.kind === 'usable'
      return era.kind === 'usable' ? null : `Thunder cannot be used: ${era.reason}`
    },
    stall: async () => {
      const tip = await side.tip().catch(error => {
        isUsable = false
        throw error
      })
      return stallOf(tip && { hash: tip.hash, place: await placeOf(tip) })
    },
  }
}
