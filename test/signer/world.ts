import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { networks, Psbt, payments, Transaction } from 'bitcoinjs-lib'
import {
  type CoinManifest,
  encodeManifest,
  type L1SignRequest,
  manifestHash,
  operatorKeyOf,
  type SignedAct,
  type SignReply,
  type SignRequest,
  type SpendPolicy,
  signAct,
} from '../../src/approval/index.ts'
import { DRIVECHAIN_OPCODES } from '../../src/lib/bitcoin/drivechain.ts'
import { fromHex, toHex } from '../../src/lib/bytes.ts'
import { batchId, payoutId, type Txid, txid, unixMs } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { sats } from '../../src/lib/money.ts'
import { bareAddress, THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import type { ChannelRules } from '../../src/signer/channel-rules.ts'
import { accountDescriptors, readDescriptor, walletKey } from '../../src/signer/descriptor.ts'
import type { LightningParts } from '../../src/signer/lightning.ts'
import { createMemory, type MemoryStore, openMemory } from '../../src/signer/memory-store.ts'
import { createSigner, type Signer } from '../../src/signer/signer.ts'
import type { ThunderWallet } from '../../src/signer/thunder.ts'

export const HOUR_MS = 3_600_000
export const START = 1_800_000_000_000
const FOREVER = unixMs(START + 10_000 * HOUR_MS)
const network = networks.regtest

const secret = (n: number) => fromHex(n.toString(16).padStart(64, '0'))
/** Alice, Bob and Carol approve; Dave's key has expired; Eve only looks; the pool has its own. */
export const KEYS = {
  alice: secret(1),
  alice2: secret(2),
  bob: secret(3),
  carol: secret(4),
  dave: secret(5),
  eve: secret(6),
  pool: secret(7),
  stranger: secret(8),
}
export type Person = keyof typeof KEYS

const operator = (
  alias: string,
  role: 'approver' | 'viewer',
  people: readonly Person[],
  notAfter = FOREVER,
) => ({
  alias,
  roles: [role],
  keys: people.map(person => ({ key: operatorKeyOf(KEYS[person]), notAfter })),
})

/** One approval up to 1,000,000 sat, two above; the pool alone up to 200,000 and 500,000 a day. */
export const POLICY: SpendPolicy = {
  version: 1,
  operators: [
    operator('alice', 'approver', ['alice', 'alice2']),
    operator('bob', 'approver', ['bob']),
    operator('carol', 'approver', ['carol']),
    operator('dave', 'approver', ['dave'], unixMs(START - HOUR_MS)),
    operator('eve', 'viewer', ['eve']),
  ],
  bands: [
    { upTo: sats(1_000_000n), approvals: 1 },
    { upTo: null, approvals: 2 },
  ],
  auto: {
    poolKey: operatorKeyOf(KEYS.pool),
    perBatch: sats(200_000n),
    perDay: sats(500_000n),
  },
  limits: {
    perBatch: sats(50_000_000n),
    perDay: sats(60_000_000n),
    perDestinationPerDay: sats(40_000_000n),
  },
  allowList: null,
}

export const SEED = new Uint8Array(32).fill(0x5e)
export const DESCRIPTORS = accountDescriptors(SEED, 'regtest')
export type Kind = 'wpkh' | 'tr'

export function walletOf(kind: Kind = 'wpkh') {
  const descriptor = readDescriptor(DESCRIPTORS[kind], 'regtest')
  if (descriptor.kind !== 'descriptor') throw new Error(descriptor.reason)
  const key = walletKey(descriptor, SEED)
  if (key === null) throw new Error('the seed is of the descriptor')
  return { descriptor, key }
}

/** A coin of the wallet: the transaction that made it as output 0, and its place. */
export type TestCoin = { readonly made: Transaction; readonly index: number }

/** A coin from nowhere; another for each index. */
export function coin(amount: bigint, index: number, kind: Kind = 'wpkh'): TestCoin {
  const made = new Transaction()
  made.version = 2
  made.addInput(new Uint8Array(32).fill(9), index)
  made.addOutput(walletOf(kind).descriptor.at({ chain: 0, index }).script, amount)
  return { made, index }
}

export const txidOfCoin = ({ made }: TestCoin): Txid => txid(made.getId())

/** A destination on regtest, another for each number. */
export function addressOf(n: number): string {
  const hash = fromHex(n.toString(16).padStart(40, '0'))
  return payments.p2wpkh({ hash, network }).address ?? ''
}

export function scriptOfAddress(n: number): Uint8Array {
  return scriptOfText(addressOf(n))
}

/** Our change address at an index. */
export function changeAddress(index: number, kind: Kind = 'wpkh'): string {
  const { script: output } = walletOf(kind).descriptor.at({ chain: 1, index })
  const pay = kind === 'wpkh' ? payments.p2wpkh : payments.p2tr
  return pay({ output, network }).address ?? ''
}

export function manifestOf(
  over: Partial<CoinManifest> & { anchor: CoinManifest['anchor'] },
): CoinManifest {
  return {
    version: 2,
    purpose: 'payout',
    wallet: 'hot',
    batch: batchId(1n),
    network: 'regtest',
    rail: 'l1',
    payees: [
      { destination: addressOf(1), amount: sats(300_000n), payouts: [payoutId(1n)] },
      { destination: addressOf(2), amount: sats(400_000n), payouts: [payoutId(2n)] },
    ],
    feeMax: sats(20_000n),
    change: changeAddress(0),
    createdAt: unixMs(START),
    expiresAt: unixMs(START + 24 * HOUR_MS),
    policyVersion: 1,
    createdBy: 'plan:daily',
    excluded: [],
    ...over,
  }
}

/** The one address on Thunder that the host knows as ours. */
export const DEPOSITS = {
  ...{ slot: THUNDER_SLOT, opcode: DRIVECHAIN_OPCODES.nop5 },
  addresses: new Set([bareAddress(fromHex('09c56e18bfc96a6f92d6eee303b9243042a87383'))]),
} as const

/** How a PSBT may differ from an honest one. */
export type Bend = {
  readonly sequence?: number
  readonly locktime?: number
  readonly version?: number
  readonly sighashType?: number
  readonly witnessOnly?: boolean
  readonly hints?: boolean
  readonly changeIndex?: number
  readonly outputs?: readonly { readonly script: Uint8Array; readonly value: bigint }[]
}

/** The PSBT an honest pool would make of a manifest with these coins, or a bent one. */
export function psbtOf(
  manifest: CoinManifest,
  coins: readonly TestCoin[],
  fee: bigint,
  bend: Bend = {},
): Uint8Array {
  const { changeIndex = 0 } = bend
  const kind = manifest.change.startsWith('bcrt1p') ? 'tr' : 'wpkh'
  const hint = (chain: 0 | 1, index: number) =>
    bend.hints === false ? {} : hintOf(kind, `m/84'/1'/0'/${chain}/${index}`)
  const psbt = new Psbt().setVersion(bend.version ?? 2).setLocktime(bend.locktime ?? 0)
  for (const { made, index } of coins) {
    const [witnessUtxo] = made.outs
    if (!witnessUtxo) throw new Error('a coin is an output')
    psbt.addInput({
      ...{ hash: made.getHash(), index: 0, sequence: bend.sequence ?? 0xfffffffd, witnessUtxo },
      ...(bend.witnessOnly ? {} : { nonWitnessUtxo: made.toBuffer() }),
      ...(bend.sighashType === undefined ? {} : { sighashType: bend.sighashType }),
      ...hint(0, index),
    })
  }
  const spent = coins.reduce((sum, { made }) => sum + (made.outs[0]?.value ?? 0n), 0n)
  const paid = manifest.payees.reduce((sum, { amount }) => sum + amount, 0n)
  const { script } = walletOf(kind).descriptor.at({ chain: 1, index: changeIndex })
  const pays = () =>
    manifest.payees.map(({ destination, amount }) => ({
      script: scriptOfText(destination),
      value: amount,
    }))
  const outputs = bend.outputs ?? [...pays(), { script, value: spent - paid - fee }]
  for (const [at, output] of outputs.entries())
    psbt.addOutput({ ...output, ...(at === outputs.length - 1 ? hint(1, changeIndex) : {}) })
  return new Uint8Array(psbt.toBuffer())
}

function scriptOfText(address: string): Uint8Array {
  return payments.p2wpkh({ address, network }).output ?? new Uint8Array()
}

/** Only the last two steps are read; the key named is any point of the curve. */
function hintOf(kind: Kind, path: string) {
  const pubkey = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')
  const masterFingerprint = new Uint8Array(4)
  return kind === 'wpkh'
    ? { bip32Derivation: [{ path, masterFingerprint, pubkey }] }
    : {
        tapBip32Derivation: [{ path, masterFingerprint, pubkey: pubkey.slice(1), leafHashes: [] }],
      }
}

export function approvals(manifest: CoinManifest, people: readonly Person[]): SignedAct[] {
  const hash = manifestHash(encodeManifest(manifest))
  return people.map(person => signAct(KEYS[person], { kind: 'approve' }, hash))
}

/** A request that an honest pool would make. */
export function requestOf(
  manifest: CoinManifest,
  psbt: Uint8Array,
  people: readonly Person[] = ['alice'],
): L1SignRequest {
  const acts = approvals(manifest, people)
  return { rail: 'l1', manifest: encodeManifest(manifest), acts, psbt, head: null }
}

/** A signer with a memory on the disk and a clock that the test sets. */
export type SignerWorld = {
  readonly signer: Signer
  readonly path: string
  readonly clock: {
    readonly now: () => ReturnType<typeof unixMs>
    readonly set: (ms: number) => void
    /** Turns the machine's clock, so far from the steady one. */
    readonly turn: (ms: number) => void
  }
  readonly close: () => Promise<void>
  /** Opens the file again, as a restart would. */
  readonly open: (policy?: SpendPolicy) => Promise<void>
  readonly restart: (policy?: SpendPolicy) => Promise<void>
  readonly ask: (request: SignRequest) => Promise<SignReply>
  readonly remove: () => Promise<void>
}

export async function signerWorld(
  start: {
    readonly policy?: SpendPolicy
    readonly kind?: Kind
    readonly thunder?: ThunderWallet
    readonly lightning?: LightningParts
    readonly channels?: ChannelRules
  } = {},
): Promise<SignerWorld> {
  const dir = mkdtempSync(join(tmpdir(), 'sidepool-test-signer-'))
  const path = join(dir, 'memory')
  let now = START
  let turned = 0
  const clock = {
    now: () => unixMs(now),
    set: (ms: number) => {
      now = ms
    },
    turn: (ms: number) => {
      turned = ms
    },
  }
  const wall = { now: () => unixMs(now + turned) }
  await createMemory(path, { network: 'regtest', name: toHex(new Uint8Array(32)), clock })
  const log = createLog('test', 'silent')
  let running: { readonly store: MemoryStore; readonly signer: Signer } | null = null
  const open = async (policy: SpendPolicy = start.policy ?? POLICY) => {
    const store = await openMemory(path, clock)
    const wallets = { hot: walletOf(start.kind) }
    running = {
      store,
      signer: createSigner({
        ...{ network: 'regtest', policy, store, clock, wall, log, wallets },
        thunder: start.thunder ?? null,
        lightning: start.lightning ?? null,
        deposits: DEPOSITS,
        channels: start.channels ?? null,
      }),
    }
  }
  const close = async () => {
    await running?.store.close()
    running = null
  }
  const signer = () => {
    if (running === null) throw new Error('the signer is closed')
    return running.signer
  }
  await open()
  return {
    get signer() {
      return signer()
    },
    path,
    clock,
    close,
    open,
    restart: async policy => {
      await close()
      await open(policy)
    },
    ask: request => signer().sign(request),
    remove: async () => {
      await close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
