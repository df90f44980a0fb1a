import { assert, unreachable } from '../../../lib/assert.ts'
import type { Txid } from '../../../lib/ids.ts'
import {
  bareAddress,
  parseBareAddress,
  THUNDER_ADDRESS_BYTES,
  type ThunderAddress,
} from '../../../lib/thunder/address.ts'
import type { InPoint } from '../../../lib/thunder/json.ts'
import type { OutPoint, Output } from '../../../lib/thunder/transaction.ts'
import type { MainBlockInfo, PegEvent } from '../main-chain.ts'
import { type Bundle, collectBundle } from './bundle.ts'
import type { CoinChange, Coins } from './coins.ts'

/** What the side chain knows of its withdrawal bundles; a new value for each block. */
export type Bundles = {
  /** Made, and not yet in an M3. */
  readonly pending: Bundle | null
  /** In an M3, with its coins spent. */
  readonly submitted: ReadonlyMap<Txid, Bundle>
  /** The side height at which one last failed. */
  readonly failedAt: number | null
}

export const NO_BUNDLES: Bundles = { pending: null, submitted: new Map(), failedAt: null }

/** After a failure so many side blocks pass before the next bundle. */
const FAILURE_GAP = 4
/** What a deposit to anything but a bare address is credited to: nobody has its key. */
const NOBODY = bareAddress(new Uint8Array(THUNDER_ADDRESS_BYTES))

/**
 * Applies what main blocks did to the treasury, after the side block's own body. Returns the
 * changes in their order, already applied.
 *
 * Source: thunder-rust, lib/state/two_way_peg_data.rs, connect.
 */
export function applyPeg(state: {
  readonly coins: Coins
  readonly bundles: Bundles
  readonly height: number
  readonly blocks: readonly MainBlockInfo[]
}): { readonly changes: readonly CoinChange[]; readonly bundles: Bundles } {
  const { coins, height } = state
  const changes: CoinChange[] = []
  let bundles = state.bundles
  for (const event of state.blocks.flatMap(block => block.events)) {
    const step = applyEvent(event, bundles, { coins, height })
    coins.apply(step.changes)
    changes.push(...step.changes)
    bundles = step.bundles
  }
  const isLongAgo = height - (bundles.failedAt ?? 0) >= FAILURE_GAP
  if (bundles.pending === null && isLongAgo)
    bundles = { ...bundles, pending: collectBundle(coins.all(), height) }
  return { changes, bundles }
}

type Step = { readonly changes: readonly CoinChange[]; readonly bundles: Bundles }

function applyEvent(
  event: PegEvent,
  bundles: Bundles,
  { coins, height }: { readonly coins: Coins; readonly height: number },
): Step {
  switch (event.kind) {
    case 'deposit': {
      const { txid, vout, value } = event
      const outPoint: OutPoint = { kind: 'deposit', hash: txid, vout }
      const address = creditedAddress(event.address)
      const output: Output = { address, content: { kind: 'value', value } }
      return { changes: [{ kind: 'made', coin: { outPoint, output } }], bundles }
    }
    case 'bundle submitted': {
      const { pending } = bundles
      // A bundle of nobody's that some miner proposed changes nothing here.
      if (pending?.m6id !== event.m6id) return { changes: [], bundles }
      const inPoint: InPoint = { kind: 'withdrawal', m6id: event.m6id }
      const changes = pending.spends.map(
        (coin): CoinChange => ({ kind: 'spent', coin: { ...coin, inPoint } }),
      )
      const submitted = new Map(bundles.submitted).set(event.m6id, pending)
      return { changes, bundles: { ...bundles, pending: null, submitted } }
    }
    case 'bundle failed': {
      const failed = bundles.submitted.get(event.m6id)
      if (!failed) return { changes: [], bundles }
      const submitted = new Map(bundles.submitted)
      submitted.delete(event.m6id)
      return {
        changes: giveBack(failed, coins),
        bundles: { ...bundles, submitted, failedAt: height },
      }
    }
    case 'bundle succeeded':
      return { changes: [], bundles }
    default:
      return unreachable(event)
  }
}

function giveBack(bundle: Bundle, coins: Coins): CoinChange[] {
  return bundle.spends.map(({ outPoint }) => {
    const coin = coins.findSpent(outPoint)
    assert(coin !== null, 'a submitted bundle has spent its coins')
    return { kind: 'given back', coin }
  })
}

/**
 * Whom a deposit belongs to: the text after OP_RETURN as a bare address. The deposit form, a typo
 * that changes the length, or no text at all burns the money; that is what the real node does.
 */
export function creditedAddress(bytes: Uint8Array): ThunderAddress {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return parseBareAddress(text) ?? NOBODY
  } catch {
    return NOBODY
  }
}
