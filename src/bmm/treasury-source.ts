import { Block } from 'bitcoinjs-lib'
import {
  type DrivechainOpcode,
  readTreasuryOutput,
  treasuryScript,
} from '../lib/bitcoin/drivechain.ts'
import { toHex } from '../lib/bytes.ts'
import type { BlockHash } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'

/** What is asked of the main node. */
export type TreasuryNode = {
  readonly getBlock: (hash: BlockHash) => Promise<Uint8Array | null>
  /** Unspent outputs of the chain with one of these scripts, as `txid:vout`. */
  readonly findUnspent: (scripts: readonly Uint8Array[]) => Promise<readonly string[]>
}

/** Treasury coins of the main chain; spent ones may stay, since nobody can spend them again. */
export type TreasuryCoins = {
  readonly coins: ReadonlySet<string>
  /** Tells that templates build on that block. */
  readonly see: (tip: BlockHash) => void
}

const SLOTS = 256
/** More than these are no longer kept: an attacker made them, and other rules keep most of them out. */
const COINS_MAX = 1_000_000

/**
 * Knows the treasury coins, for templates that no enforcer has judged. They are looked for on the
 * whole chain once, which takes the node minutes on a large one, and then in each new block; where
 * blocks were missed, once more. Until it is there, what needs neither script nor witness to be
 * spent is left out of blocks anyway.
 */
export function watchTreasuries(options: {
  readonly node: TreasuryNode
  readonly opcode: DrivechainOpcode
  readonly log: Log
}): TreasuryCoins {
  const { node, opcode, log } = options
  const scripts = Array.from({ length: SLOTS }, (_, slot) => treasuryScript({ slot, opcode }))
  const coins = new Set<string>()
  let seen: BlockHash | null = null
  let wanted: BlockHash | null = null
  let isBusy = false

  function add(coin: string): void {
    if (coins.size < COINS_MAX) coins.add(coin)
  }

  async function look(tip: BlockHash): Promise<void> {
    const raw = await node.getBlock(tip)
    const block = raw === null ? null : Block.fromBuffer(raw)
    const parent = block?.prevHash && toHex(block.prevHash.slice().reverse())
    if (seen === null || parent !== seen)
      for (const coin of await node.findUnspent(scripts)) add(coin)
    for (const transaction of block?.transactions ?? [])
      transaction.outs.forEach(({ script }, vout) => {
        if (readTreasuryOutput(script, opcode) !== null) add(`${transaction.getId()}:${vout}`)
      })
    seen = tip
  }

  async function follow(): Promise<void> {
    if (isBusy) return
    isBusy = true
    // What came while it was looking is looked at next; a failure waits for the next template.
    while (wanted !== null && wanted !== seen) {
      const tip: BlockHash = wanted
      try {
        await look(tip)
      } catch (error) {
        log.warn({ reason: String(error) }, 'treasury coins not looked for')
        break
      }
    }
    isBusy = false
  }

  return {
    coins,
    see(tip) {
      wanted = tip
      void follow()
    },
  }
}
