import type { CoinManifest } from '../approval/index.ts'
import { parseAddress } from '../lib/bitcoin/address.ts'
import { depositOutputs, readTreasuryOutput, type Treasury } from '../lib/bitcoin/drivechain.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Output } from '../lib/bitcoin/tx.ts'
import { equalBytes } from '../lib/bytes.ts'
import { MAX_MONEY_SATS } from '../lib/money.ts'
import { parseThunderAddress, type ThunderAddress } from '../lib/thunder/address.ts'

/** Where this host lets deposits go. */
export type DepositRules = Treasury & {
  /** Our own on Thunder; what the pool calls ours counts for nothing. */
  readonly addresses: ReadonlySet<ThunderAddress>
}

/** What a transaction must pay before its change, or why it is not signed. */
export type ExpectedOutputs =
  | { readonly kind: 'outputs'; readonly outputs: readonly Output[] }
  | { readonly kind: 'refused'; readonly reason: string }

/** Whether an output is of the sidechain's treasury: a deposit spends it, and nobody signs for it. */
export function isTreasury(script: Uint8Array, { slot, opcode }: Treasury): boolean {
  return readTreasuryOutput(script, opcode) === slot
}

/**
 * What a manifest's transaction must pay. A deposit makes the treasury greater by exactly its amount
 * and names an address that this host knows as ours. Whether the coin that it spends is the
 * treasury of now only an enforcer knows: one who lies about that gains what was approved at most.
 *
 * @param treasury the value of the treasury's coin that it spends; null where it spends none
 */
export function expectedOutputs(
  manifest: CoinManifest,
  network: Network,
  {
    treasury,
    deposits,
  }: { readonly treasury: bigint | null; readonly deposits: DepositRules | null },
): ExpectedOutputs {
  if (manifest.purpose !== 'deposit') return payments(manifest, network)
  const [payee] = manifest.payees
  const parsed = parseThunderAddress(payee?.destination ?? '')
  if (deposits === null) return refused('this host knows no address of ours on Thunder')
  if (!payee || parsed.kind !== 'thunder' || parsed.address !== payee.destination)
    return refused('it does not go to a bare Thunder address')
  if (!deposits.addresses.has(parsed.address))
    return refused(`${payee.destination} is no Thunder address of ours`)
  const grown = (treasury ?? 0n) + payee.amount
  if (grown > MAX_MONEY_SATS) return refused('the treasury would hold more than all bitcoin')
  const { slot, opcode } = deposits
  const { address } = parsed
  return { kind: 'outputs', outputs: depositOutputs({ slot, opcode, treasury: grown, address }) }
}

function payments({ payees }: CoinManifest, network: Network): ExpectedOutputs {
  const outputs: Output[] = []
  for (const [index, { destination, amount }] of payees.entries()) {
    const script = scriptOf(destination, network)
    if (script === null) return refused(`payee ${index} is no address of this network`)
    outputs.push({ script, value: amount })
  }
  return { kind: 'outputs', outputs }
}

/** @returns null for any text that is not an address as we write it */
export function scriptOf(text: string, network: Network): Uint8Array | null {
  const parsed = parseAddress(text, network)
  return parsed.kind === 'address' && parsed.text === text ? parsed.script : null
}

/** Whether an output pays exactly that. */
export function isOutput(out: Output | undefined, { script, value }: Output): boolean {
  return out !== undefined && out.value === value && equalBytes(out.script, script)
}

function refused(reason: string): ExpectedOutputs {
  return { kind: 'refused', reason }
}
