import { z } from 'zod'
import { answerConnect } from '../../../src/devnet/sidechain/enforcer/connect-protocol.ts'
import type { NodeFollower } from '../../../src/devnet/sidechain/enforcer/follow-node.ts'
import type { BlockProducer } from '../../../src/devnet/sidechain/enforcer/producer.ts'
import { enforcerServices } from '../../../src/devnet/sidechain/enforcer/services.ts'
import { type Candidate, draftBlock } from '../../../src/devnet/sidechain/enforcer/template.ts'
import { templateCalls } from '../../../src/devnet/sidechain/enforcer/template-server.ts'
import type {
  EnforcerWallet,
  MadeDeposit,
  SendOutcome,
} from '../../../src/devnet/sidechain/enforcer/wallet.ts'
import { enforcerPort } from '../../../src/devnet/sidechain/enforcer-port.ts'
import type { HttpReply, HttpRequest } from '../../../src/devnet/sidechain/http-shell.ts'
import { answerHttp } from '../../../src/devnet/sidechain/json-rpc.ts'
import {
  ALL_GROUPS,
  answerCall,
  isStop,
  PRIVATE_GROUPS,
  PUBLIC_GROUPS,
} from '../../../src/devnet/sidechain/thunder/answer.ts'
import { type ThunderNode, thunderNode } from '../../../src/devnet/sidechain/thunder/node.ts'
import type { SideStart } from '../../../src/devnet/sidechain/thunder/side-chain.ts'
import { subsidyAt } from '../../../src/lib/bitcoin/subsidy.ts'
import { blockHash, unixMs } from '../../../src/lib/ids.ts'
import { NOP5, type ScriptedMain } from './scripted-main.ts'

const HALVING_INTERVAL = 150

/** What the recordings say of the parts around the stand-ins: the node, and its wallet. */
export type Script = {
  main: ScriptedMain
  /** What the node would mine next. */
  mempool: readonly Candidate[]
  payoutScript: Uint8Array
  /** What comes of the next transaction of the enforcer's wallet. */
  sends: SendOutcome[]
  address: string
  balance: { readonly confirmed: bigint; readonly pending: bigint }
  deposits: readonly MadeDeposit[]
  /** Of the node's `getrawtransaction`, by txid. */
  transactions: ReadonlyMap<string, object>
}

/** Both stand-ins without sockets, on a scripted main chain. */
export type Replayed = {
  readonly script: Script
  readonly thunder: ThunderNode
  readonly faults: { panicsOnUndo: boolean; looksForDescendants: boolean }
  /** Tells who waits for the next block of the main chain that it is there. */
  readonly announce: () => void
  readonly ask: (
    to: 'thunder' | 'enforcer' | 'gbt',
    surface: 'all' | 'public' | 'private',
    request: HttpRequest,
  ) => Promise<HttpReply>
}

export function replayed(script: Script, start: SideStart | null): Replayed {
  const listeners = new Set<Parameters<NodeFollower['onBlock']>[0]>()
  const follower: NodeFollower = {
    get blocks() {
      return script.main.blocks
    },
    tip: () => script.main.tip(),
    sync: async () => script.main.tip(),
    rejections: new Map(),
    onBlock(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    call: async (method, ...params) => {
      const [txid] = z.tuple([z.string()], z.unknown()).parse(params)
      if (method === 'submitblock') return null
      return script.transactions.get(txid) ?? Promise.reject(new Error('no such transaction'))
    },
  }
  const nextSend = async () => {
    const outcome = script.sends.shift()
    if (outcome === undefined) throw new Error('the script has no outcome for this transaction')
    return outcome
  }
  const wallet: EnforcerWallet = {
    newAddress: async () => script.address,
    balance: async () => script.balance,
    deposit: nextSend,
    bid: nextSend,
    deposits: () => script.deposits,
  }
  const producer = scriptedProducer(script)
  const syncMempool = async () => {}
  const services = enforcerServices({ follower, producer, wallet, opcode: NOP5, syncMempool })
  const templates = templateCalls({
    follower,
    producer,
    syncMempool,
    isSyncing: () => false,
    payoutScript: () => script.payoutScript,
    clock: { now: () => unixMs(0) },
  })
  const faults = { panicsOnUndo: true, looksForDescendants: true }
  const port = enforcerPort({ follower, producer, wallet, opcode: NOP5 })
  const thunder = thunderNode(port, () => faults, start)
  const groups = { all: ALL_GROUPS, public: PUBLIC_GROUPS, private: PRIVATE_GROUPS }
  return {
    script,
    thunder,
    faults,
    announce() {
      const block = script.main.blocks.find(script.main.tip().tip)
      for (const listener of listeners) if (block !== null) listener(block)
    },
    ask(to, address, request) {
      if (to === 'enforcer') return answerConnect(request, services)
      if (to === 'gbt') return answerHttp(request, templates)
      const surface = { version: '0.17.2', groups: groups[address] } as const
      return answerHttp(request, async call =>
        isStop(surface, call) ? { kind: 'hang up' } : answerCall(thunder, surface, call),
      )
    },
  }
}

/** Drafts of the stand-in, on what the script says that the node would mine. */
function scriptedProducer(script: Script): BlockProducer {
  const policy: BlockProducer['policy'] = { proposals: [], acksAll: true, bundles: [] }
  const draft: BlockProducer['draft'] = async (payoutScript, payoutFirst, own) => {
    const state = script.main.tip()
    const subsidy = subsidyAt(state.height + 1, HALVING_INTERVAL)
    const candidates = script.mempool
    const drafted = draftBlock({
      ...{ state, opcode: NOP5, policy, candidates, subsidy, payoutScript, payoutFirst, own },
    })
    if (drafted.kind === 'stuck') {
      const where = `transaction \`${drafted.transaction.txid}\` in block \`${'0'.repeat(64)}\``
      const text = `Failed to apply initial block template: Error handling ${where}: ${drafted.reason}`
      return { kind: 'stuck', text }
    }
    const node = {
      version: 0x20000000,
      previousblockhash: blockHash(state.tip),
      bits: '207fffff',
      target: `7fffff${'0'.repeat(58)}`,
      mintime: 0,
      curtime: 0,
    }
    return { kind: 'draft', draft: drafted.draft, node }
  }
  return {
    policy,
    draft,
    async mine(payoutScript, own) {
      const produced = await draft(payoutScript, true, own)
      if (produced.kind === 'stuck') return produced
      throw new Error('a scripted chain grows by its script alone')
    },
  }
}
