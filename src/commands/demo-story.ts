import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import {
  accountOf,
  agrees,
  approveWaiting,
  type DemoOperators,
  type DemoPool,
  type Devnet,
  type DevnetNode,
  type DevnetSidechain,
  type MinerAccount,
  type PaidBy,
} from '../devnet/index.ts'
import { canonicalPayee } from '../payouts/index.ts'
import { CommandError, say } from './command.ts'

const CPU_MINER = join(import.meta.dirname, '../devnet/cpu-miner.ts')
const BLOCKS_WANTED = 3
const MATURITY_BLOCKS = 100
/** No step of the demo takes this long on any machine; then something is broken. */
const STEP_MS_MAX = 180_000
const LOOK_MS = 500
const SCHEME_WIDTH = 'lightning'.length

const blocks = z.object({
  items: z.array(
    z.object({
      hash: z.string(),
      height: z.number(),
      finder: z.string().nullable(),
      reward: z.string().nullable(),
    }),
  ),
})
/** Who mines where. */
export type Cast = {
  readonly name: string
  readonly scheme: 'pplns' | 'pps' | 'thunder' | 'lightning'
  readonly hashesPerSecond: number
  /** The username without a worker; of Thunder in deposit form, over Lightning an address. */
  readonly payee: string
  /** Asks the node of its rail what it got. */
  readonly paid: PaidBy
}
/** What the story happens in. */
export type Scene = {
  readonly devnet: Devnet<DevnetNode>
  readonly sidechain: DevnetSidechain
  readonly pool: DemoPool
  readonly operators: DemoOperators
  readonly cast: readonly Cast[]
  /** An address of the miners' wallet, for a miner that a person brings. */
  readonly spare: string
}

/** From the first share to the settled payment. Throws where a step does not come about. */
export async function story(scene: Scene, stops: (() => Promise<void>)[]): Promise<void> {
  const { devnet, pool } = scene
  const many = scene.cast.length
  step(`${many} CPU miners of our own connect; shares are durable before they are accepted ...`)
  const mining = startMiners(scene)
  stops.push(mining.stop)
  await watchBlocks(scene)
  await fillThunder(scene)
  await mining.stop()
  step(`The devnet adds ${MATURITY_BLOCKS} blocks of nobody's, so that the coinbases mature ...`)
  await devnet.mine(MATURITY_BLOCKS)
  step('Payment falls due: batches are planned, their manifests wait for two operators ...')
  await until(pool, 'a batch waits for approval', () => approve(scene))
  step('Mining goes on until a block of our own confirms the payment ...')
  const again = startMiners(scene)
  stops.push(again.stop)
  await until(pool, 'every miner is paid', async () => {
    await approve(scene)
    const all = await accounts(scene)
    return all.every(account => account !== null && account.chainSats > 0n) ? all : null
  })
  await again.stop()
  await report(scene)
}

/** Alice and bob approve what waits, and it is shown. @returns null where nothing did */
async function approve({ sidechain, operators: { api, secrets } }: Scene) {
  const approved = await approveWaiting(api, ...secrets)
  for (const { batch, rail, purpose, totalSats, manifestHash } of approved) {
    const where = { thunder: ` on ${sidechain.name}`, lightning: ' over Lightning' }[rail] ?? ''
    say(`    batch ${batch}, a ${purpose}${where}: ${totalSats} sat, manifest ${manifestHash}`)
    say('    approved by alice and bob, each by a BIP 340 signature over exactly these bytes')
  }
  return approved.length > 0 ? approved : null
}

/** Mining goes on meanwhile: both the deposit and the side block after it stand in our blocks. */
async function fillThunder(scene: Scene): Promise<void> {
  const { pool, sidechain } = scene
  step(`The float on ${sidechain.name} is empty: the pool plans a deposit from its L1 float ...`)
  await until(pool, 'a deposit waits for approval', () => approve(scene))
  say('    no node relays a deposit (M5), so that it goes into a block of our own ...')
  const held = await until(pool, 'the deposit is credited', async () => {
    const sats = await sidechain.holds(sidechain.address)
    return sats > 0n ? sats : null
  })
  say(`    ${sidechain.name} credited it in a side block that a block of ours carried by its M7:`)
  say(`    ${held} sat at ${sidechain.address}`)
}

function accounts({ pool, cast }: Scene): Promise<(MinerAccount | null)[]> {
  return Promise.all(cast.map(({ payee, paid }) => accountOf(pool.api, paid, payee)))
}

/** What `--keep` does after the story: miners mine, and the operators approve what falls due. */
export async function goOn(scene: Scene, stops: (() => Promise<void>)[]): Promise<void> {
  const { api, secrets } = scene.operators
  const mining = startMiners(scene)
  stops.push(mining.stop)
  const isOver = hasEnded(scene.pool)
  while (!isOver()) {
    for (const { batch, totalSats } of await approveWaiting(api, ...secrets))
      say(`    the demo's operators approved batch ${batch}: ${totalSats} sat`)
    await sleep(LOOK_MS)
  }
}

function startMiners({ pool, cast }: Scene): { readonly stop: () => Promise<void> } {
  const children = cast.map(({ name, scheme, payee, hashesPerSecond }): ChildProcess => {
    const url = `127.0.0.1:${pool.ports[scheme]}`
    // The domain of a Lightning address has dots, so that its worker stands after a slash.
    const args = ['--url', url, '--user', `${payee}/${name.replace(' ', '-')}`]
    const all = [CPU_MINER, ...args, '--rate', String(hashesPerSecond)]
    // Its output is a pipe, so it ends when this process does.
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout?.resume()
    return child
  })
  const ended = children.map(child => new Promise<void>(done => child.once('exit', () => done())))
  return {
    stop: async () => {
      for (const child of children) child.kill('SIGTERM')
      await Promise.all(ended)
    },
  }
}

async function watchBlocks(scene: Scene): Promise<void> {
  const { pool, cast } = scene
  const seen = new Set<string>()
  await until(pool, 'the pool finds blocks', async () => {
    const list = blocks.safeParse(await pool.api.get('/blocks?limit=100'))
    for (const { hash, height, finder } of list.success ? list.data.items.reverse() : []) {
      if (seen.has(hash)) continue
      seen.add(hash)
      const who =
        cast.find(({ payee }) => canonicalPayee(payee) === finder)?.name ?? 'an unknown miner'
      say(`    block ${height} found by ${who}: ${hash}`)
    }
    const all = await accounts(scene)
    const haveEarned = all.every(account => account !== null && account.statementsMsat > 0n)
    return seen.size >= BLOCKS_WANTED && haveEarned ? seen : null
  })
}

/** Waits until statements, ledger and the payees' nodes agree for every miner, and shows it. */
async function report(scene: Scene): Promise<void> {
  const { pool, cast, sidechain } = scene
  const agreed = await until(pool, 'statements, ledger and nodes agree', async () => {
    const all = await accounts(scene)
    return all.every(account => account && agrees(account))
      ? all.filter(each => each !== null)
      : null
  })
  const titles = ['statements', 'ledger: paid + owed', 'paid by ledger', 'got by its node']
  const widths = [20, 20, 16, 16]
  say(
    `\n${' '.repeat(10 + SCHEME_WIDTH)} ${titles.map((text, i) => text.padStart(widths[i] ?? 0)).join(' ')}`,
  )
  agreed.forEach((account, index) => {
    const { name, scheme } = cast[index] ?? { name: '', scheme: '' }
    const msats = [account.statementsMsat, account.paidSats * 1000n + account.owedMsat]
    const cells = [
      ...msats.map(amount => `${amount} msat`.padStart(20)),
      ...[account.paidSats, account.chainSats].map(amount => `${amount} sat`.padStart(16)),
    ]
    say(`  ${name} ${scheme.padEnd(SCHEME_WIDTH)} ${cells.join(' ')}`)
  })
  const rails = agreed.flatMap(({ txids, preimages }, index) => {
    const rail = cast[index]?.scheme === 'thunder' ? sidechain.name : 'L1'
    return [
      ...txids.map(txid => `  paid by transaction ${txid} on ${rail}`),
      ...preimages.map(preimage => `  paid over Lightning, proven by the preimage ${preimage}`),
    ]
  })
  for (const line of new Set(rails)) say(line)
  say('  statements = ledger, and paid by ledger = got by its node, for every miner')
}

const startedAt = performance.now()
/** A line with the time since the start. */
export function step(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0).padStart(3)
  say(`${seconds} s  ${text}`)
}

/** Looks again and again until there is an answer, unless the pool has ended. */
export async function until<T>(
  pool: DemoPool,
  what: string,
  look: () => Promise<T | null>,
): Promise<T> {
  const isOver = hasEnded(pool)
  const deadline = performance.now() + STEP_MS_MAX
  while (performance.now() < deadline && !isOver()) {
    const answer = await look()
    if (answer !== null && answer !== undefined) return answer
    await sleep(LOOK_MS)
  }
  throw new CommandError(`waited in vain: ${what}. The pool's log says more: ${pool.logFile}`)
}

function hasEnded(pool: DemoPool): () => boolean {
  let isOver = false
  void pool.ended.then(() => {
    isOver = true
  })
  return () => isOver
}
