import type {
  HeadConfirmation,
  LightningReply,
  LightningRequest,
  RelayReply,
  SignedFreezeAct,
  SignReply,
  SignRequest,
  SpendPolicy,
  StatusReply,
  StatusRequest,
} from '../approval/index.ts'
import { assert, unreachable } from '../lib/assert.ts'
import type { Network } from '../lib/bitcoin/network.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import { judgeConfirmation, judgeFreezeAct } from './acts.ts'
import type { ChannelRules } from './channel-rules.ts'
import type { Descriptor, WalletKey } from './descriptor.ts'
import { type LightningParts, lightningPayer } from './lightning.ts'
import { type Memory, MemoryTrouble } from './memory.ts'
import type { MemoryEvent } from './memory-entry.ts'
import type { DepositRules } from './outputs.ts'
import { type Checked, judgeRequest } from './rules.ts'
import { type Standing, standingComplaint } from './standing.ts'
import { authorizeAll, type ThunderWallet } from './thunder.ts'

/** A wallet of ours with the part of its key that is on this host. */
export type SigningWallet = { readonly descriptor: Descriptor; readonly key: WalletKey }

export type SignerParts = {
  readonly network: Network
  readonly policy: SpendPolicy
  readonly wallets: Readonly<Partial<Record<'hot' | 'cold', SigningWallet>>>
  /** The keys on Thunder; null where this host has none. */
  readonly thunder: ThunderWallet | null
  /** Where deposits may go; null where this host signs none. */
  readonly deposits: DepositRules | null
  /** Where channels may be opened; null where this host opens none. */
  readonly channels: ChannelRules | null
  /** Null where this host pays nothing over Lightning. */
  readonly lightning: LightningParts | null
  /** Adding throws where the disk does not have the event for sure. */
  readonly store: {
    readonly memory: () => Memory
    readonly add: (event: MemoryEvent) => Promise<Memory>
  }
  /** What time it is: a steady clock, so that turning the machine's makes no day longer. */
  readonly clock: Clock
  /** The machine's own, which is only compared with the other. */
  readonly wall: Clock
  readonly log: Log
}

/** Everything that can be asked of the one program that can spend. */
export type Signer = {
  readonly sign: (request: SignRequest) => Promise<SignReply>
  readonly status: (request: StatusRequest) => Promise<StatusReply>
  readonly confirm: (confirmation: HeadConfirmation) => Promise<RelayReply>
  /** Acts that do not count, or are there already, are passed over. */
  readonly freeze: (acts: readonly SignedFreezeAct[]) => Promise<RelayReply>
  readonly lightning: (request: LightningRequest) => Promise<LightningReply>
}

/**
 * Judges, remembers, and only then lets signatures and payments out; one request at a time, so that
 * two never share what is left of a limit.
 *
 * What somebody gains who has taken over the pool: with the pool's key what the automatic band
 * allows a day, to whom he likes; anything above needs as many approvers, and goes where they
 * approved. Where he also puts an old copy of this memory in place, the signer forgets what it
 * signed since, and the pool he holds does not tell: then each copy gives him at most another
 * day's limit of the automatic band, and of the rest again only what approvers signed for those
 * very payees and that very anchor. With the pool in honest hands an old copy signs nothing.
 */
export function createSigner(parts: SignerParts): Signer {
  const { store, clock, wall, log, network } = parts
  const inTurn = oneAtATime()
  const standing = (): Standing => ({
    ...{ ...parts, memory: store.memory() },
    ...{ now: clock.now(), wallNow: wall.now() },
  })
  const head = () => store.memory().head

  /** What the disk did not take is refused in words, since the pool's people read them. */
  async function orTrouble<T>(work: () => Promise<T>) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof MemoryTrouble)) throw error
      log.error({ reason: error.message }, 'the memory is in trouble')
      return { kind: 'refused', reason: error.message, head: head() } as const
    }
  }

  async function sign(request: SignRequest): Promise<SignReply> {
    const judged = judgeRequest(standing(), request)
    if (judged.kind === 'refused') {
      log.warn({ reason: judged.reason }, 'refused to sign')
      return { kind: 'refused', reason: judged.reason, head: head() }
    }
    if (judged.kind === 'closed') {
      if (judged.event !== null) await store.add(judged.event)
      log.warn({ position: head().position }, 'closed what expired unsigned')
      return { kind: 'closed', head: head() }
    }
    const { batch, checked, wallet } = judged
    const signed = signatures(checked, wallet)
    // From here on the signatures exist; they leave only after the memory of them is safe.
    if (judged.event !== null) await store.add(judged.event)
    const { txid } = checked.transaction
    log.info({ batch, txid, position: head().position }, 'signed')
    return { ...signed, head: head() }
  }

  function signatures(checked: Checked, name: 'hot' | 'cold') {
    switch (checked.rail) {
      case 'l1': {
        const { psbt } = checked.transaction
        const wallet = parts.wallets[name]
        assert(wallet !== undefined, 'a request is judged by a wallet that is here')
        wallet.key.sign(psbt)
        return { kind: 'signed', psbt: new Uint8Array(psbt.toBuffer()) } as const
      }
      case 'thunder': {
        assert(parts.thunder !== null, 'a request is judged by keys that are here')
        const authorizations = [...authorizeAll(checked.transaction, parts.thunder)]
        return { kind: 'authorized', authorizations } as const
      }
      default:
        return unreachable(checked)
    }
  }

  async function confirm(confirmation: HeadConfirmation): Promise<RelayReply> {
    const judged = judgeConfirmation(standing(), confirmation)
    if (judged.kind === 'refused') {
      log.warn({ reason: judged.reason }, 'refused a confirmation')
      return { kind: 'refused', reason: judged.reason, head: head() }
    }
    await store.add(judged.event)
    log.warn({ operator: confirmation.operator, pool: confirmation.pool }, 'goes on as confirmed')
    return { kind: 'taken', head: head() }
  }

  async function freeze(acts: readonly SignedFreezeAct[]): Promise<RelayReply> {
    for (const given of acts) {
      const { kind, by, reason } = given.act
      const judged = judgeFreezeAct(standing(), given)
      if (judged.kind === 'remember') await store.add(judged.event)
      const passed = judged.kind === 'refused' ? judged.reason : null
      log.warn({ by, reason, passed }, passed === null ? kind : `passed over: ${kind}`)
    }
    return { kind: 'taken', head: head() }
  }

  const pay =
    parts.lightning &&
    lightningPayer(parts.lightning, {
      ...{ standing, memory: store.memory, add: store.add, clock, log },
      inTurn: work => inTurn(() => orTrouble(work)),
    })

  return {
    freeze: acts => inTurn(() => orTrouble(() => freeze(acts))),
    sign: request => inTurn(() => orTrouble(() => sign(request))),
    confirm: confirmation => inTurn(() => orTrouble(() => confirm(confirmation))),
    lightning: async request => {
      if (pay !== null) return pay(request)
      const reason = 'this host pays nothing over Lightning'
      return { kind: 'refused', reason, head: head() }
    },
    status: async request => ({
      network,
      head: head(),
      refuses: standingComplaint(standing(), request.head),
    }),
  }
}

function oneAtATime() {
  let last: Promise<unknown> = Promise.resolve()
  return <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work, work)
    last = done.catch(() => {})
    return done
  }
}
