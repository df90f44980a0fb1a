import { arrangeBlock, messageScript, requestScript } from '../src/bmm/index.ts'
import { DRIVECHAIN_OPCODES } from '../src/lib/bitcoin/drivechain.ts'
import { sha256d } from '../src/lib/bitcoin/hash.ts'
import { opReturn, witnessCommitmentScript } from '../src/lib/bitcoin/script.ts'
import { compactSize, outputBytes } from '../src/lib/bitcoin/tx.ts'
import { concat, reversed, toHex } from '../src/lib/bytes.ts'
import { blockHash } from '../src/lib/ids.ts'
import { coreTemplate, enforcerTemplate } from '../src/lib/nodes/block-template.ts'
import { systemRandom } from '../src/lib/random.ts'
import { systemClock } from '../src/lib/time.ts'
import { arrangeTemplate } from '../src/pool/arrangement.ts'
import { notifyParams } from '../src/pool/job.ts'
import { createJobMaker } from '../src/pool/live-jobs.ts'
import { readTemplate } from '../src/pool/template.ts'
import { median, printMachine, printTable, quantile } from './parts/report.ts'

/**
 * From a template's text to the job that miners get, the same 3,000 transactions four times: from
 * the node, and from the enforcer with 8 sidechains whose bids all have room, or have not.
 */
const TRANSACTIONS = 3000
const SLOTS = 8
const ROUNDS = 60
const WARM_UP = 10
const HEIGHT = 900_000
const SUBSIDY = 312_500_000
const FEE = 1000
const PREVIOUS = '00'.repeat(8).concat('ab'.repeat(24))
const PARTS = {
  tag: '/bench/',
  finderBytes: 0,
  payScript: concat(Uint8Array.of(0, 20), new Uint8Array(20)),
}

/** A transaction of the usual size: two inputs with witnesses, two outputs; a bid has an M8 first. */
function transaction(first: Uint8Array | null) {
  const input = () =>
    concat(systemRandom.bytes(36), compactSize(0), Uint8Array.of(0xff, 0xff, 0xff, 0xff))
  const pay = { value: 50_000n, script: concat(Uint8Array.of(0, 20), systemRandom.bytes(20)) }
  const outputs = [first ? { value: 0n, script: first } : pay, pay].map(outputBytes)
  const core = concat(compactSize(2), input(), input(), compactSize(2), ...outputs)
  const witness = concat(compactSize(2), compactSize(71), systemRandom.bytes(71), compactSize(33))
  const witnesses = [0, 1].map(() => concat(witness, systemRandom.bytes(33)))
  const [version, locktime] = [Uint8Array.of(2, 0, 0, 0), new Uint8Array(4)]
  const bare = concat(version, core, locktime)
  const data = concat(version, Uint8Array.of(0, 1), core, ...witnesses, locktime)
  return {
    data: toHex(data),
    txid: toHex(reversed(sha256d(bare))),
    hash: toHex(reversed(sha256d(data))),
    depends: [],
    fee: FEE,
    sigops: null,
    weight: 3 * bare.length + data.length,
  }
}

const SIDE_BLOCKS = Array.from({ length: SLOTS }, () => toHex(systemRandom.bytes(32)))
const BIDS = SIDE_BLOCKS.map((sideBlock, slot) =>
  transaction(requestScript({ slot, sideBlock, previousBlock: blockHash(PREVIOUS) })),
)
const ALL = [...BIDS, ...Array.from({ length: TRANSACTIONS - SLOTS }, () => transaction(null))]
const COMMON = {
  ...{ height: HEIGHT, previousblockhash: PREVIOUS, version: 0x20000000, bits: '1d00ffff' },
  target: '00000000ffff'.padEnd(64, '0'),
  ...{ mintime: 1, curtime: 2, rules: ['!segwit'], mutable: [], longpollid: 'x' },
  default_witness_commitment: toHex(witnessCommitmentScript(new Uint8Array(32))),
  transactions: ALL,
}

function coinbaseHex(): string {
  const vote = opReturn(Uint8Array.of(0xd7, 0x7d, 0x17, 0x76, 1, ...Array(SLOTS).fill(0xff)))
  const m7 = SIDE_BLOCKS.map((sideBlock, slot) => messageScript({ kind: 'M7', slot, sideBlock }))
  const scripts = [vote, ...m7].map(script => outputBytes({ value: 0n, script }))
  const payout = outputBytes({
    value: BigInt(SUBSIDY + FEE * TRANSACTIONS),
    script: PARTS.payScript,
  })
  const input = concat(
    new Uint8Array(32),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 4, 3, 0xa0, 0xbb, 0x0d, 0xff, 0xff, 0xff, 0xff),
  )
  const count = compactSize(scripts.length + 1)
  const head = concat(Uint8Array.of(2, 0, 0, 0), compactSize(1), input, count)
  return toHex(concat(head, ...scripts, payout, new Uint8Array(4)))
}

const FROM_NODE = JSON.stringify({ ...COMMON, coinbasevalue: SUBSIDY + FEE * TRANSACTIONS })
const FROM_ENFORCER = JSON.stringify({ ...COMMON, coinbasetxn: { data: coinbaseHex() } })
const makeJob = createJobMaker({ run: 1n, ...PARTS })

function finish(reply: Parameters<typeof readTemplate>[0]): number {
  const outcome = readTemplate(reply, 'mainnet')
  if (outcome.kind === 'refused') throw new Error(outcome.detail)
  const job = makeJob(outcome.template, systemClock.now())
  return JSON.stringify(notifyParams(job)).length
}

/** Our own side block has slot 0, as it would be on a pool with a node of its own. */
function arranged(
  text: string,
  read: typeof coreTemplate | typeof enforcerTemplate,
  bytesMax: number,
) {
  const own = { slot: 0, sideBlock: 'ee'.repeat(32), yieldsFrom: null }
  const opcode = DRIVECHAIN_OPCODES.nop5
  const terms = {
    ...{ opcode, treasuryCoins: new Set(['x']), own, failingBundles: null, ownTransactions: [] },
  }
  const reply = read.parse(JSON.parse(text))
  return finish(
    arrangeTemplate(reply, each => ({ ...arrangeBlock(each, terms), append: [] }), {
      ...PARTS,
      bytesMax,
    }),
  )
}

const WAYS: readonly (readonly [string, () => number])[] = [
  ['the node, nothing arranged', () => finish(coreTemplate.parse(JSON.parse(FROM_NODE)))],
  ['the enforcer, as it comes', () => finish(enforcerTemplate.parse(JSON.parse(FROM_ENFORCER)))],
  [
    'the enforcer, our slot taken, room for all',
    () => arranged(FROM_ENFORCER, enforcerTemplate, 1000),
  ],
  [
    'the enforcer, our slot taken, bids left out',
    () => arranged(FROM_ENFORCER, enforcerTemplate, 500),
  ],
  ['the node, bids chosen by us', () => arranged(FROM_NODE, coreTemplate, 500)],
]

/** Of this process, so that what else runs on the machine does not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

printMachine()
const times = WAYS.map(() => [] as number[])
for (let round = 0; round < WARM_UP + ROUNDS; round++)
  for (const [way, [, run]] of WAYS.entries()) {
    const from = cpuMs()
    run()
    if (round >= WARM_UP) times[way]?.push(cpuMs() - from)
  }
const plain = median(times[0] ?? [])
const rows = WAYS.map(([name], way) => {
  const all = times[way] ?? []
  const at = median(all)
  const numbers = [quantile(all, 0.1), at, at - plain].map(value => value.toFixed(1))
  return [name, ...numbers, (at / plain).toFixed(2)]
})
printTable(
  `From a template's text to a job, ${TRANSACTIONS} transactions, ${SLOTS} slots, ms of CPU`,
  [['template of', 'p10', 'p50', 'beyond the plain path', 'ratio'], ...rows],
)
