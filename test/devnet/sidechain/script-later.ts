import { z } from 'zod'
import { requestScript } from '../../../src/bmm/index.ts'
import { infoFor } from '../../../src/devnet/sidechain/enforcer/blocks.ts'
import {
  type MainTransaction,
  readMainTransaction,
} from '../../../src/devnet/sidechain/enforcer/main-block.ts'
import type { Candidate } from '../../../src/devnet/sidechain/enforcer/template.ts'
import { assert } from '../../../src/lib/assert.ts'
import { depositOutputs } from '../../../src/lib/bitcoin/drivechain.ts'
import { fromHex, toHex } from '../../../src/lib/bytes.ts'
import { blockHash, txid } from '../../../src/lib/ids.ts'
import { sats } from '../../../src/lib/money.ts'
import { parseBareAddress, THUNDER_SLOT } from '../../../src/lib/thunder/address.ts'
import type { Coin } from '../../../src/lib/thunder/json.ts'
import { recordedCall } from './recording.ts'
import {
  connects,
  drawAddress,
  emptyBlockOn,
  inTemplate,
  makes,
  mempool,
  type Step,
  steps,
  submits,
  waiting,
} from './script-tools.ts'
import { heightOf, NOP5, type ScriptedMain, scriptedMain, stateAt } from './scripted-main.ts'
import { type Replayed, replayed } from './scripted-node.ts'

const MNEMONIC = 'legal winner thank year wave sausage worth useful legal winner thank yellow'
const FIRST_ADDRESS = '46mGHHQ2cvLLHYfJqyP4EuSDamdP'
/** A main block of which nothing is known but that it was there. */
const UNKNOWN_BLOCK = `1${'0'.repeat(63)}`

function scriptOn(main: ScriptedMain, payoutScript: string) {
  return {
    main,
    mempool: [],
    payoutScript: fromHex(payoutScript),
    sends: [],
    address: '',
    balance: { confirmed: 0n, pending: 0n },
    deposits: [],
    transactions: new Map(),
  }
}

/** Begins in the middle: the main chain's tip carries the side tip. */
function beginning(options: {
  readonly main: ScriptedMain
  readonly sideHash: string
  readonly payoutScript: string
  readonly coin: Coin
}): Replayed {
  const { main, sideHash, coin } = options
  const tip = main.blocks.find(main.tip().tip)
  assert(tip !== null, 'the main chain has its tip')
  const carrier = infoFor(THUNDER_SLOT, tip)
  const parent = {
    ...carrier,
    hash: tip.previous,
    previous: blockHash('0'.repeat(64)),
    height: tip.height - 1,
    commitment: null,
  }
  const now = replayed(scriptOn(main, options.payoutScript), {
    tip: { sideHash, mainHash: tip.hash },
    height: 2,
    coins: [coin],
    main: [parent, carrier],
  })
  now.thunder.wallet.setSeed(MNEMONIC)
  for (let drawn = 0; drawn < 2; drawn++) now.thunder.wallet.newAddress()
  now.thunder.wallet.update(now.thunder.chain.coins)
  return now
}

function depositCoin(hash: string, value: bigint): Coin {
  const address = parseBareAddress(FIRST_ADDRESS)
  assert(address !== null, 'the first address is one')
  const outPoint = { kind: 'deposit', hash, vout: 0 } as const
  return { outPoint, output: { address, content: { kind: 'value', value: sats(value) } } }
}

const REORG_DEPOSIT = '829324bc4c01a4968d69263186a334d0cfc700104a0389a702ab056d9b5bc10a'
const REORG_DEPOSIT_BLOCK = '6572ca2f5edda53829c94f488f4bdbedf0c62c0ffc84f516ecee3e5d0a3c3c7f'
const SECOND_DEPOSIT = '42cf16d2e40a46d369f6da425e4853bcecbf0d002257d2e22d2b9c56e2eed51b'
const THIRD_DEPOSIT = '4f5f53caa8a25734818e7c26258185871d8b72199af61410e3099f019b119ef1'

/** Lines 311 to 516: reorganisations. */
const reorganisations: Step = () => {
  const treasury = { txid: REORG_DEPOSIT, value: 40_000_000n, sequence: 0n }
  const main = scriptedMain(stateAt(UNKNOWN_BLOCK, 106, treasury))
  const sideHash = 'f96909b93da02fe47d2c05e398ceab842be1974fb6227c33024244b1f8dcdecb'
  for (const hash of [REORG_DEPOSIT_BLOCK, `2${'0'.repeat(63)}`, `3${'0'.repeat(63)}`])
    main.fill({ hash, previous: main.tip().tip })
  main.fill({
    hash: '4709d4dbab086686380e19d6689e0b4cb3aaaa3ff626d9a309d6fd52f8eb8a3f',
    previous: main.tip().tip,
    commitment: sideHash,
  })
  const coin = depositCoin(REORG_DEPOSIT, 40_000_000n)
  return beginning({
    main,
    sideHash,
    payoutScript: '00144c5daf51d03cd02c827f5aae22c63c519ac0ff6d',
    coin,
  })
}

/** A raw transaction out of the recorded list of deposits. */
function listedDeposit(id: string): MainTransaction {
  const text = JSON.stringify(recordedCall(498).reply)
  const pattern = new RegExp(`"hex":"${id}"\\},"rawTransaction":\\{"hex":"([0-9a-f]+)"`)
  const [, raw = ''] = pattern.exec(text) ?? []
  return readMainTransaction(fromHex(raw))
}

const depositsListed: Step = ({ script }) => {
  const made = (id: string, valueSats: bigint, feeSats: bigint) => {
    const { raw } = listedDeposit(id)
    // The wallet has them from blocks, whether or not those are still in the chain.
    return { isSent: true, slot: 9, txid: id, raw: toHex(raw), valueSats, feeSats }
  }
  script.deposits = [
    made(REORG_DEPOSIT, 40_000_000n, 1000n),
    made(THIRD_DEPOSIT, 7_654_321n, 500n),
    made(SECOND_DEPOSIT, 5_000_000n, 500n),
  ]
  script.transactions = new Map([
    [
      REORG_DEPOSIT,
      {
        blockhash: REORG_DEPOSIT_BLOCK,
        time: Date.parse('2026-11-21T04:06:55Z') / 1000,
      },
    ],
    [
      SECOND_DEPOSIT,
      {
        blockhash: '11f56a5057db72dde2a0da78c0154195d6ae0fa0fe698610806a3ba2c7f43508',
        time: Date.parse('2026-11-21T04:07:04Z') / 1000,
      },
    ],
  ])
  return undefined
}

/** A main block that was not recorded, with the side block that it carried. */
function unseen(line: number, hash: string, previous: string, side: string): Step {
  const block = emptyBlockOn(line, previous, side)
  return steps(
    ({ script }) => {
      script.main.fill({ hash, previous, commitment: side })
      return undefined
    },
    connects(block, hash),
  )
}

const secondDepositMined: Step = ({ script }) => {
  script.main.fill({
    hash: '11f56a5057db72dde2a0da78c0154195d6ae0fa0fe698610806a3ba2c7f43508',
    previous: script.main.tip().tip,
    transactions: [listedDeposit(SECOND_DEPOSIT)],
  })
  return undefined
}

const restarted: Step = ({ thunder }) => {
  thunder.restart('kept')
  return undefined
}

/** A build with the off-by-one repaired, on the same data. */
const repaired: Step = now => {
  now.faults.panicsOnUndo = false
  now.thunder.restart('kept')
  return undefined
}

const ONE_COIN = {
  100: '79c66d1d9553bad456d8efd92061bd9d9e5a023ed000b697affb92030a5614f9',
  101: '1ed80fbe160dc45e5b830d287a0f77792929d5711aa29912628a09875a7db514',
  102: '55eacbb69df2ade2c4c3740a93a0871a571723b70a0d8c5dc706d0d9df61e9bd',
} as const

/** Lines 517 to 529: bids of a wallet with one coin. */
const oneCoin: Step = () => {
  const main = scriptedMain(stateAt(ONE_COIN[100], 100))
  const script = scriptOn(main, '0014327384df1390d2f02b47e8c4eb9f6b41665a5fa5')
  script.balance = { confirmed: 5_000_000_000n, pending: 495_000_000_000n }
  return replayed(script, null)
}

/** A bid that left the template and whose raw form nobody asked for. */
function lostBid(id: string, previous: string, fee: bigint): Candidate {
  const request = { slot: 9, sideBlock: 'aa'.repeat(32), previousBlock: blockHash(previous) }
  const outputs = [{ value: 0n, script: requestScript(request) }]
  const transaction = {
    txid: txid(id),
    version: 2,
    locktime: 0,
    inputs: [],
    outputs,
    raw: fromHex(''),
  }
  return { transaction, wtxid: id, fee, weight: 753 }
}

function oneCoinBlock(hash: string): Step {
  return ({ script }) => {
    script.main.fill({ hash, previous: script.main.tip().tip })
    return undefined
  }
}

const PANIC_DEPOSIT = {
  before: '3a56efca0b23bd035970460e702089ec46af50af7193109961b217550dabc7de',
  made: '70dc1a787c5a59aed87e929fb9ed94c617975a0795e37008283cfff7ee031346',
}

/** Lines 530 on: a panic in `connect_block`, then one node with two addresses. */
const panics: Step = () => {
  const height = heightOf(z.tuple([z.string()]).parse(recordedCall(530).params)[0])
  const treasury = { txid: PANIC_DEPOSIT.before, value: 20_000_000n, sequence: 0n }
  const main = scriptedMain(stateAt(UNKNOWN_BLOCK, height - 3, treasury))
  const sideHash = '2dc77bfbc0320e975805f33a28b3b1c5d4b4010697952480888de60b8a0bef02'
  const carrier = `2${'0'.repeat(63)}`
  main.fill({ hash: carrier, previous: UNKNOWN_BLOCK, commitment: sideHash })
  const coin = depositCoin(PANIC_DEPOSIT.before, 20_000_000n)
  const now = beginning({ main, sideHash, payoutScript: '00', coin })
  const outputs = depositOutputs({
    ...{ slot: 9, opcode: NOP5, treasury: 23_000_000n, address: FIRST_ADDRESS },
  })
  const inputs = [{ txid: PANIC_DEPOSIT.before, vout: 0 }]
  const transaction = {
    txid: txid(PANIC_DEPOSIT.made),
    version: 2,
    locktime: 0,
    inputs,
    outputs,
    raw: fromHex(''),
  }
  main.fill({
    hash: '6f6313bbfee8197c924c26c0aa6d05d01f54690aac64b6e582f44ca45e94bb0c',
    previous: carrier,
    transactions: [transaction],
  })
  return now
}

export const LATER: ReadonlyMap<number, Step> = new Map<number, Step>([
  [311, reorganisations],
  [328, drawAddress],
  [
    375,
    steps(
      unseen(
        367,
        '308bab92efd18b71f924d9259c3fe412c009ce448275daa69f46a020ff999b2d',
        '05f30af110f450e529d0f3c63c32b36096d2bf9fd4cc11dc917dc56da0e48025',
        'a283432495f2d02acd93aaafd9c5a6aa255ef573c6c256f12ee6589254bb5cb4',
      ),
      drawAddress,
    ),
  ],
  [
    409,
    steps(
      unseen(
        403,
        '528e78509ef74304d1e7bfc546b63aebdfe0a156652c003ab93899e78a288e41',
        '4a12e0f13f978085ffffa8a84140c1956fe824cc3005933e53b7ab5a648ca9eb',
        'a56d7f68209cd552522d9bc843d40e556d944fe8296efdde4216d29939350b9e',
      ),
      drawAddress,
    ),
  ],
  [446, secondDepositMined],
  [464, submits(468)],
  [465, restarted],
  [470, repaired],
  [498, depositsListed],
  [517, oneCoin],
  [518, makes(518)],
  [519, makes(519)],
  [
    521,
    mempool(
      lostBid(
        '6ff0d53a1392329e72501b98f6b12ad64b7116b14e579b934eb1503f697575e2',
        ONE_COIN[100],
        9000n,
      ),
      waiting(520, 12_000n),
    ),
  ],
  [522, steps(oneCoinBlock(ONE_COIN[101]), makes(522))],
  [523, makes(523)],
  [525, mempool(inTemplate(525, 12_000n), waiting(524, 9000n))],
  [526, steps(oneCoinBlock(ONE_COIN[102]), makes(526))],
  [527, makes(527)],
  [
    529,
    mempool(
      lostBid(
        '694cc128a3b8d98e722ec0c545cc4b526d027216f33904f925c4f3ed36d94b8e',
        ONE_COIN[102],
        10_000n,
      ),
      waiting(528, 10_000n),
    ),
  ],
  [530, panics],
  [552, restarted],
  [557, repaired],
])
