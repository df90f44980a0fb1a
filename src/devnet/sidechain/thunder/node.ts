import { criticalHash, type ThunderBlock } from '../../../lib/thunder/block.ts'
import type { SignedTransaction } from '../../../lib/thunder/json.ts'
import { judgeTransaction } from './judge.ts'
import type { MainPort } from './main-port.ts'
import { txidOf } from './mempool.ts'
import { type NodeFaults, type SideChain, type SideStart, sideChain } from './side-chain.ts'
import { buildTemplate, type SideTemplate } from './template.ts'
import { type Wallet, wallet } from './wallet.ts'
import { WORDS } from './words.ts'

/** What a call of the node comes to. */
export type NodeOutcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** In the node's words, an error of code −1. */
  | { readonly kind: 'refused'; readonly text: string }
  /** The thread that served the call died: the connection closes without a reply. */
  | { readonly kind: 'panic' }

/** A Thunder node without its sockets. */
export type ThunderNode = {
  readonly chain: SideChain
  readonly wallet: Wallet
  readonly submit: (signed: SignedTransaction) => NodeOutcome<string>
  readonly template: () => Promise<NodeOutcome<SideTemplate>>
  /** @returns whether the block is the new tip */
  readonly connect: (block: ThunderBlock, mainHash: string) => Promise<NodeOutcome<boolean>>
  /** Bids for a block and waits for the next main block, whatever it brings. */
  readonly mine: (feeSats: bigint | null) => Promise<NodeOutcome<null>>
  readonly deposit: (deposit: {
    readonly address: string
    readonly valueSats: bigint
    readonly feeSats: bigint
  }) => Promise<NodeOutcome<string>>
  readonly invalidate: (hash: string) => NodeOutcome<null>
  /** The process starts again on the data that it had, with its mempool or without. */
  readonly restart: (mempool: 'kept' | 'lost') => void
}

/** The bid of `mine` for a block without fees. */
const EMPTY_BLOCK_BID_SATS = 1000n

/**
 * @param faults asked at every use
 * @param start null begins before the first block
 */
export function thunderNode(
  port: MainPort,
  faults: () => NodeFaults,
  start: SideStart | null = null,
): ThunderNode {
  const chain = sideChain(faults, start)
  const keys = wallet()
  /** The task that connects blocks dies of its panic, and only a restart brings it back. */
  let connects = true
  /** The lock on the miner. A call that its client gave up still has its turn. */
  let miner: Promise<unknown> = Promise.resolve()

  function locked<T>(work: () => Promise<T>): Promise<T> {
    const turn = miner.then(work)
    miner = turn.catch(() => {})
    return turn
  }
  async function learnMain(hash: string): Promise<boolean> {
    const { main } = chain.archive
    if (main.find(hash) !== null) return true
    const blocks = await port.upTo(hash, each => main.find(each) !== null)
    for (const block of blocks ?? []) chain.archive.addMain(block)
    return blocks !== null
  }
  async function template(): Promise<NodeOutcome<SideTemplate>> {
    const tip = await port.tip()
    // Without a block of its own the node asks nothing about the main chain.
    if (chain.tip() !== null) await learnMain(tip.hash)
    return buildTemplate(chain, tip.hash, keys.newAddress)
  }

  async function connect(block: ThunderBlock, mainHash: string): Promise<NodeOutcome<boolean>> {
    const { archive } = chain
    const { header } = block
    const hash = criticalHash(header)
    if (header.prevSideHash !== null && archive.find(header.prevSideHash) === null)
      return done(false)
    if (!(await learnMain(mainHash))) return done(false)
    archive.addHeader(header)
    const result = archive.bmmResult(hash, mainHash)
    if (result === null) return refused(WORDS.noBmmResult(hash))
    if (result === 'failed') return done(false)
    for (const each of archive.ancestors(hash))
      if (each !== hash && !chain.hasBody(each)) return done(false)
    archive.addBlock(block)
    if (!connects) return refused(WORDS.panicBefore)
    const outcome = chain.reorgTo({ sideHash: hash, mainHash })
    if (outcome === 'panic') {
      connects = false
      return refused(WORDS.panicNow)
    }
    if (outcome === 'not better') return done(false)
    const bundle = chain.pendingBundle()
    if (bundle !== null) port.wallet?.proposeBundle(bundle)
    keys.update(chain.coins)
    return done(true)
  }

  async function bidAndWait(feeSats: bigint | null): Promise<NodeOutcome<null>> {
    if (port.wallet === null) return refused(WORDS.noMainWallet)
    const built = await locked(template)
    if (built.kind !== 'done') return built
    const { block, fees, criticalHash: sideBlock } = built.value
    const { wallet: mainWallet } = port
    return locked(async () => {
      const next = port.nextBlock()
      const bid = await mainWallet.bid({
        sideBlock,
        previousBlock: block.header.prevMainHash,
        valueSats: feeSats ?? (fees > 0n ? fees : EMPTY_BLOCK_BID_SATS),
        height: 0,
      })
      if (bid.kind === 'refused') return refused(WORDS.miner(bid.message))
      const main = await next
      // A bid holds for one block only: if that was another's, the work is done for nothing.
      if (main.commitment === sideBlock) {
        const connected = await connect(block, main.hash)
        if (connected.kind === 'refused') return connected
      }
      keys.update(chain.coins)
      return done(null)
    })
  }

  return {
    chain,
    wallet: keys,
    submit(signed) {
      const judgement = judgeTransaction(chain.coins, signed)
      if (judgement.kind === 'refused') return refused(judgement.text)
      if (!chain.mempool.put(signed)) return refused(WORDS.doubleSpent)
      return done(txidOf(signed.transaction))
    },
    template: async () => (port.wallet === null ? refused(WORDS.noMainWallet) : locked(template)),
    connect: async (block, mainHash) =>
      port.wallet === null ? refused(WORDS.noMainWallet) : connect(block, mainHash),
    mine: bidAndWait,
    async deposit(deposit) {
      const { wallet: mainWallet } = port
      if (mainWallet === null) return refused(WORDS.noMainWallet)
      const outcome = await locked(() => mainWallet.deposit(deposit))
      return outcome.kind === 'sent' ? done(outcome.txid) : refused(WORDS.deposit(outcome.message))
    },
    invalidate: hash => (chain.invalidate(hash) === 'panic' ? { kind: 'panic' } : done(null)),
    restart(mempool) {
      connects = true
      if (mempool === 'lost') chain.mempool.clear()
      miner = Promise.resolve()
    },
  }
}

function done<T>(value: T): NodeOutcome<T> {
  return { kind: 'done', value }
}

function refused(text: string): { readonly kind: 'refused'; readonly text: string } {
  return { kind: 'refused', text }
}
