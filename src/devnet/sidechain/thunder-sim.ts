import type { Log } from '../../lib/log.ts'
import { enforcerPort } from './enforcer-port.ts'
import type { EnforcerParts } from './enforcer-sim.ts'
import { type HttpShell, startHttpShell } from './http-shell.ts'
import { answerHttp, type RpcCall, type RpcOutcome } from './json-rpc.ts'
import {
  ALL_GROUPS,
  answerCall,
  isStop,
  PRIVATE_GROUPS,
  PUBLIC_GROUPS,
  type Surface,
} from './thunder/answer.ts'
import type { MethodGroup, ThunderVersion } from './thunder/methods.ts'
import { type ThunderNode, thunderNode } from './thunder/node.ts'

/**
 * A stand-in for a Thunder node on regtest.
 *
 * Real: every hash and signature, which transactions and blocks are valid, that blocks come only by
 * an M7 in a block of the real main chain, deposits, the reorganisations of the node with its
 * stalls and its panic, the wallet's habits, and the words of every refusal. Simulated: there are
 * no peers, no files, and no forest of hashes, so its roots and proofs are made up and those of
 * others are taken unseen.
 */
export type SimulatedThunder = {
  /** Where it has two addresses, the node's calls are here and all others at `privateUrl`. */
  readonly publicUrl: string
  readonly privateUrl: string
  readonly control: ThunderControl
  readonly stop: () => Promise<void>
}

/** What happens to the next call of a method. */
export type CallFault =
  /** It is served, and the connection closes in the place of the reply. */
  | 'reply lost'
  /** The connection closes, and nothing was done. */
  | 'request lost'
  /** It is served, and the reply never comes. */
  | 'reply hangs'

export type ThunderControl = {
  /** Once; several for one method are taken in turn. */
  readonly breakNext: (method: string, fault: CallFault) => void
  /** As after the call `stop`, and again on the same addresses. */
  readonly stop: () => Promise<void>
  /** Power loss can cost the mempool; an ordinary stop keeps it. */
  readonly restart: (mempool: 'kept' | 'lost') => Promise<void>
  /**
   * Whether undoing a block after one that applied a deposit ends in a panic, as in the published
   * node (true at the start), or works, as in a repaired one.
   */
  readonly setPanicsOnUndo: (panics: boolean) => void
  /** Whether `get_transaction` forgets what is mined one block later (true at the start). */
  readonly setForgetsMined: (forgets: boolean) => void
  /** For looking at from a test. */
  readonly node: ThunderNode
}

/** The body limit of the real one. */
const BODY_BYTES_MAX = 10 * 1024 * 1024

/** @param addresses how many the node listens on: with one, it has all calls */
export async function startThunderSim(options: {
  readonly enforcer: EnforcerParts
  readonly version: ThunderVersion
  readonly addresses: 'one' | 'two'
  readonly log: Log
}): Promise<SimulatedThunder> {
  const { version, log } = options
  const faults = { panicsOnUndo: true, looksForDescendants: true }
  const node = thunderNode(enforcerPort(options.enforcer), () => faults)
  const broken = new Map<string, CallFault[]>()
  const shells: { shell: HttpShell; surface: Surface }[] = []

  async function call(surface: Surface, rpc: RpcCall): Promise<RpcOutcome> {
    if (isStop(surface, rpc)) {
      void stop()
      return { kind: 'hang up' }
    }
    const fault = broken.get(rpc.method)?.shift()
    if (fault === 'request lost') return { kind: 'hang up' }
    const outcome = await answerCall(node, surface, rpc)
    if (outcome.kind === 'error' && outcome.error.code === -1)
      log.info({ method: rpc.method, error: outcome.error.message }, 'simulated Thunder: refused')
    if (fault === 'reply lost') return { kind: 'hang up' }
    // Until whoever waits gives up, or the node stops.
    return fault === 'reply hangs' ? new Promise<RpcOutcome>(() => {}) : outcome
  }
  function open(port: number, groups: readonly MethodGroup[]): Promise<HttpShell> {
    const surface = { version, groups }
    return startHttpShell({
      port,
      bodyBytesMax: BODY_BYTES_MAX,
      answer: request => answerHttp(request, rpc => call(surface, rpc)),
    })
  }
  async function stop(): Promise<void> {
    await Promise.all(shells.map(({ shell }) => shell.close()))
  }
  async function listen(groups: readonly MethodGroup[]): Promise<HttpShell> {
    const shell = await open(0, groups)
    shells.push({ shell, surface: { version, groups } })
    return shell
  }

  const isSplit = options.addresses === 'two'
  const publicShell = await listen(isSplit ? PUBLIC_GROUPS : ALL_GROUPS)
  const privateShell = isSplit ? await listen(PRIVATE_GROUPS) : publicShell
  log.info({ port: publicShell.port, version }, 'simulated Thunder node started')
  return {
    publicUrl: publicShell.url,
    privateUrl: privateShell.url,
    stop,
    control: {
      node,
      breakNext(method, fault) {
        broken.set(method, [...(broken.get(method) ?? []), fault])
      },
      stop,
      async restart(mempool) {
        await stop()
        node.restart(mempool)
        for (const each of shells) each.shell = await open(each.shell.port, each.surface.groups)
        log.info({ mempool }, 'simulated Thunder node started again')
      },
      setPanicsOnUndo(panics) {
        faults.panicsOnUndo = panics
      },
      setForgetsMined(forgets) {
        faults.looksForDescendants = forgets
      },
    },
  }
}
