import type { Devnet, DevnetNode } from './devnet.ts'
import type { LndFiles } from './devnet-lightning.ts'
import type { DevnetSidechain } from './devnet-sidechain.ts'

export type SchemePorts = { readonly pplns: number; readonly pps: number; readonly solo: number }

/** Name under which the pool finds its secret in the environment. */
export const NODE_PASSWORD_VARIABLE = 'SIDEPOOL_NODE_PASSWORD'

/** One share in 2^16 hashes: several a second from one core, so that there is much to count. */
const DIFFICULTY = { start: 2 ** -16, minimum: 2 ** -24, maximum: 1, secondsPerShare: 0.5 }
/** Wide enough that nobody's work leaves the window before a block, but by the rarest of bad luck. */
const PPLNS_BLOCKS = 8
/** Long enough for a batch to be approved in the demo's own time. */
const APPROVAL_HOURS = 1

/** Where a sidechain of the devnet is, and the port of the scheme that pays on it. */
export type RegtestSidechain = Pick<
  DevnetSidechain,
  'publicUrl' | 'privateUrl' | 'enforcerUrl' | 'address'
> & {
  readonly port: number
  /** Confirmations of the main block until a payment there counts as final. */
  readonly finalityDepth: number
}

/** What a pool needs to pay over Lightning, and the port of the scheme that does. */
export type RegtestLightning = {
  readonly port: number
  readonly lnd: LndFiles
  /** The signer host that pays. */
  readonly signer: { readonly host: string; readonly port: number; readonly keyFile: string }
}

/** A slow miner finds a share in seconds, so that it earns as little as a channel can carry. */
const SLOW_DIFFICULTY = { ...DIFFICULTY, start: 2 ** -24 }
const LIGHTNING_FEE_MAX = { baseSats: '3', ppm: 5000 }

/** The float on Thunder: enough for what three miners earn in a demo. */
const THUNDER_REFILL = {
  from: 'hot',
  lowSats: '1000000000',
  targetSats: '60000000000',
  capSats: '90000000000',
}
const THUNDER_FEE_SATS = '1000'

/** What differs between the demo's pool and a test's. */
export type RegtestChoices = {
  readonly devnet: Devnet<DevnetNode>
  /** How many must approve any batch. */
  readonly approvals: number
  readonly ports: SchemePorts
  readonly apiPort: number
  /** As in a configuration. */
  readonly database: object
  readonly epochMinutes?: number
  readonly difficulty?: object
  readonly stratumProcesses?: number
  /** Whom the coinbases of solo blocks pay; the pool unless told. */
  readonly soloCoinbase?: 'pool' | 'finder'
  /** Without one nobody is paid on Thunder. */
  readonly sidechain?: RegtestSidechain | undefined
  /** Without it nobody is paid over Lightning. */
  readonly lightning?: RegtestLightning | undefined
}

/** The configuration of a pool on a devnet: a port for each reward method, and one for each other rail. */
export function regtestConfig(choices: RegtestChoices) {
  const { devnet, ports, apiPort, database, sidechain, lightning } = choices
  return {
    ...(sidechain && { bmm: BMM, bridges: bridgesOf(sidechain) }),
    ...(lightning && { signer: lightning.signer }),
    network: 'regtest',
    pool: {
      name: 'sidepool demo',
      tag: '/sidepool/',
      coinbaseAddress: devnet.coinbaseAddress,
      epochMinutes: choices.epochMinutes ?? 0.25,
      orphanDepth: 1,
      shareRetentionBlocks: 4032,
    },
    node: {
      url: devnet.poolNodeUrl,
      user: devnet.node.rpc.user,
      password: { env: NODE_PASSWORD_VARIABLE },
      ...(devnet.node.zmqHashBlockUrl && { zmqHashBlock: devnet.node.zmqHashBlockUrl }),
    },
    database,
    rewardPools: {
      pplns: { method: 'pplns', window: PPLNS_BLOCKS },
      pps: { method: 'pps' },
      solo: { method: 'solo', coinbase: choices.soloCoinbase ?? 'pool' },
    },
    schemes: schemesOf(choices, ports),
    rails: {
      ...(sidechain && { thunder: thunderOf(sidechain) }),
      ...(lightning && { lightning: { lnd: lightning.lnd, feeMax: LIGHTNING_FEE_MAX } }),
      l1: {
        hot: { wallet: devnet.wallet, signer: { kind: 'node', floatCapSats: null } },
        cold: null,
        coinbaseWallet: 'hot',
        consolidate: null,
        feeFloorSatPerKvb: '1000',
        feeCeilingSatPerKvb: '50000',
        confirmationTarget: 6,
        finalityDepth: 1,
        bumpAfterBlocks: 6,
      },
    },
    treasury: {
      policy: regtestRules(choices.approvals),
      approvalExpiryHours: APPROVAL_HOURS,
    },
    stratum: { host: '127.0.0.1', processes: choices.stratumProcesses ?? 1 },
    api: {
      host: '127.0.0.1',
      port: apiPort,
    },
  }
}

/** Any amount may go anywhere, once so many have approved it: as the pool and a signer say it. */
export function regtestRules(approvals: number) {
  return {
    version: 1,
    bands: [{ upToSats: null, approvals }],
    auto: null,
    limits: { perBatchSats: null, perDaySats: null, perDestinationPerDaySats: null },
    allowList: null,
  }
}

function schemesOf(
  { sidechain, lightning, difficulty = DIFFICULTY }: RegtestChoices,
  ports: SchemePorts,
) {
  const scheme = (name: keyof SchemePorts, feeBasisPoints: number) => ({
    name,
    ports: [ports[name]],
    rewardPool: name,
    // As long as a coinbase matures, so that all that was earned is paid together.
    interval: { blocks: 100 },
    rails: ['l1'],
    minimumSats: '1000',
    feeBasisPoints,
    difficulty,
  })
  const onThunder = sidechain && {
    ...scheme('pplns', 100),
    ...{ name: 'thunder', ports: [sidechain.port], rails: ['thunder'] },
  }
  const all = [scheme('pplns', 100), scheme('pps', 400), scheme('solo', 200)]
  const overLightning = lightning && {
    ...scheme('pplns', 100),
    ...{ name: 'lightning', ports: [lightning.port], rails: ['lightning'] },
    difficulty: SLOW_DIFFICULTY,
  }
  return [...all, ...[onThunder, overLightning].filter(each => each !== undefined)]
}

/** Our own side blocks in our blocks, and nobody else's; templates come from the node. */
const BMM = { drivechainOpcode: 'nop5', thunder: { yieldsFromSats: null } }

function bridgesOf({ enforcerUrl }: RegtestSidechain): object {
  return { thunder: { enforcerUrl, refill: THUNDER_REFILL } }
}

/** Signed by the wallet of the Thunder node: its coins are worth nothing on regtest. */
function thunderOf({ publicUrl, privateUrl, address, finalityDepth }: RegtestSidechain): object {
  return {
    ...{ publicUrl, privateUrl, addresses: [address], finalityDepth },
    signer: { kind: 'node', floatCapSats: null },
    feeSats: THUNDER_FEE_SATS,
  }
}
