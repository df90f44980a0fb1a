import type { z } from 'zod'
import type { l1RailSchema } from './l1/config.ts'
import type { lightningRailSchema } from './lightning/config.ts'
import type { thunderRailSchema } from './thunder/config.ts'

/** What of a configuration the rails are named in. */
type Named = {
  readonly network: string
  readonly rails: {
    readonly l1: z.infer<typeof l1RailSchema>
    readonly thunder?: z.infer<ReturnType<typeof thunderRailSchema>> | undefined
    readonly lightning?: z.infer<typeof lightningRailSchema> | undefined
  }
  readonly schemes: readonly { readonly rails: readonly string[] }[]
  readonly signer?: object | undefined
}

type Complain = (path: string, message: string) => void

/** What each field alone allows, but together cannot be meant. */
export function railContradictions(
  config: Named,
): readonly { readonly path: string; readonly message: string }[] {
  const errors: { path: string; message: string }[] = []
  const complain: Complain = (path, message) => errors.push({ path, message })
  l1Contradictions(config, complain)
  thunderContradictions(config, complain)
  lightningContradictions(config, complain)
  return errors
}

function l1Contradictions({ network, rails: { l1 } }: Named, complain: Complain): void {
  const { hot, cold, coinbaseWallet, feeFloorSatPerKvb, feeCeilingSatPerKvb } = l1
  const cap = hot.signer.kind === 'node' ? hot.signer.floatCapSats : null
  if (hot.signer.kind === 'node' && cap === null && network !== 'regtest')
    complain('rails.l1.hot.signer.floatCapSats', 'only on regtest may a node sign any amount')
  if (cold === null && coinbaseWallet === 'cold')
    complain('rails.l1.coinbaseWallet', 'there is no cold wallet')
  if (cold !== null && cold.wallet === hot.wallet)
    complain('rails.l1.cold.wallet', 'it is the hot wallet')
  if (cold !== null && cold.lowSats >= cold.targetSats)
    complain('rails.l1.cold.lowSats', 'the float is filled up to more than that')
  if (cold !== null && cap !== null && cold.targetSats > cap)
    complain('rails.l1.cold.targetSats', 'it is more than the hot wallet may hold')
  if (feeFloorSatPerKvb > feeCeilingSatPerKvb)
    complain('rails.l1.feeFloorSatPerKvb', 'the floor is above the ceiling')
}

function lightningContradictions(
  { signer, schemes, rails: { lightning } }: Named,
  complain: Complain,
): void {
  schemes.forEach(({ rails }, index) => {
    const at = rails.indexOf('lightning')
    if (at >= 0 && !lightning)
      complain(`schemes[${index}].rails[${at}]`, 'there is no rails.lightning')
  })
  if (lightning && !signer)
    complain('rails.lightning', 'a signer pays over Lightning, and none is configured')
}

function thunderContradictions(
  { network, signer: host, schemes, rails: { thunder } }: Named,
  complain: Complain,
): void {
  schemes.forEach(({ rails }, index) => {
    const at = rails.indexOf('thunder')
    if (at >= 0 && !thunder) complain(`schemes[${index}].rails[${at}]`, 'there is no rails.thunder')
  })
  if (!thunder) return
  const { addresses, signer } = thunder
  if (new Set(addresses).size < addresses.length)
    complain('rails.thunder.addresses', 'an address stands there twice')
  if (signer.kind === 'host' && !host)
    complain('rails.thunder.signer.kind', 'no signer is configured')
  if (signer.kind === 'node' && signer.floatCapSats === null && network !== 'regtest')
    complain('rails.thunder.signer.floatCapSats', 'only on regtest may a node sign any amount')
}
