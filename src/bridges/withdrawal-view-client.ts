import { fromHex, reversed, toHex } from '../lib/bytes.ts'
import type { BatchId } from '../lib/ids.ts'
import { type EnforcerClient, EnforcerError } from '../lib/nodes/enforcer-client.ts'
import { NodeUnreachable } from '../lib/nodes/post-client.ts'
import type { ThunderClient } from '../lib/nodes/thunder-client.ts'
import { THUNDER_SLOT } from '../lib/thunder/address.ts'
import type { OutPoint } from '../lib/thunder/transaction.ts'
import type { ThunderView } from './thunder-bridge.ts'
import type { SideSight, Votes } from './withdrawal.ts'
import type { WithdrawalView } from './withdrawal-bridge.ts'

/** What is asked: Thunder has the outputs and its bundle, an enforcer the votes. */
export type WithdrawalNodes = {
  readonly thunder: Pick<ThunderClient, 'pendingBundle' | 'getUtxos' | 'getStxos'>
  readonly enforcer: Pick<EnforcerClient, 'bundles' | 'chainInfo'>
  /** Where Thunder's tip stands; null while it has none, or not on the main chain of now. */
  readonly tip: ThunderView['tip']
}

/**
 * Where Thunder has our outputs. It says something only while its tip stands on the main chain of
 * now, and the same tip before and after. Votes are an enforcer's word; without it there is no
 * count, and nothing else changes.
 */
export function withdrawalOutputs(nodes: WithdrawalNodes): WithdrawalView['outputs'] {
  const { thunder, tip } = nodes
  return async departures => {
    const before = await tip()
    if (before === null) return new Map()
    const owners = [...new Set(departures.map(({ owner }) => owner))]
    const bundled = new Set((await thunder.pendingBundle())?.map(nameOf) ?? [])
    const unspent = new Set((await thunder.getUtxos(owners)).map(nameOf))
    const spent = new Map(
      (await thunder.getStxos(owners)).map(coin => [nameOf(coin), coin.inPoint] as const),
    )
    const votes = await votesOf(nodes)
    if ((await tip())?.hash !== before.hash) return new Map()
    const sights = new Map<BatchId, SideSight>()
    for (const { batch, output } of departures) {
      const name = nameOf({ outPoint: { kind: 'regular', hash: output.txid, vout: output.vout } })
      const by = spent.get(name)
      if (unspent.has(name)) sights.set(batch, { kind: bundled.has(name) ? 'bundled' : 'queued' })
      else if (by?.kind === 'withdrawal')
        sights.set(batch, { kind: 'voting', m6id: by.m6id, votes: votes.get(by.m6id) ?? null })
    }
    return sights
  }
}

/** By the bundle's id as Thunder writes it, which is the other way round than the enforcer does. */
async function votesOf({ enforcer }: WithdrawalNodes): Promise<ReadonlyMap<string, Votes>> {
  try {
    const { withdrawalBundleThreshold: above } = await enforcer.chainInfo()
    if (above === 0) return new Map()
    const proposals = await enforcer.bundles(THUNDER_SLOT)
    return new Map(
      proposals.map(({ m6id, voteCount: count }) => [
        toHex(reversed(fromHex(m6id))),
        { count, above },
      ]),
    )
  } catch (error) {
    if (error instanceof NodeUnreachable || error instanceof EnforcerError) return new Map()
    throw error
  }
}

function nameOf({ outPoint: { kind, hash, vout } }: { readonly outPoint: OutPoint }): string {
  return `${kind}:${hash}:${vout}`
}
