import { fromHex } from '../../../src/lib/bytes.ts'
import { rawOf } from './recording.ts'
import { fillLifeTo } from './script-life.ts'
import {
  connects,
  drawAddress,
  emptyBlockOn,
  inTemplate,
  makes,
  mempool,
  mined,
  type Step,
  steps,
  waiting,
} from './script-tools.ts'
import { scriptedMain } from './scripted-main.ts'
import { type Replayed, replayed } from './scripted-node.ts'

const PAYOUT = fromHex('0014a6e25962efea9df43fef5bdcac39a7f247e0663b')
/** The enforcer's process draws another address at its start. */
const PAYOUT_AFTER_RESTART = fromHex('00144c5e974d0199d770f43572c1c4188d6ef0513720')
const FIRST_DEPOSIT = 'be82b2f63cb17e7cc8155c1c561fd47e1d023ec81703b33996bc9a31197830c2'
const STRANDED = 'ab22c917539c9837b5dea0624faeb14168ed34b6f02fc0cd6e287995dd69d270'
/** Seconds at which both came to the node. */
const DEPOSITED_AT = 1_795_233_867

/** Lines 1 to 310: an empty chain, and all that there is to see once. */
export function firstLife(): Replayed {
  const script = {
    main: scriptedMain(),
    mempool: [],
    payoutScript: PAYOUT,
    sends: [],
    address: 'bcrt1q5m39jch0a2wlg0l0t0w2cwd87fr7qe3mzm4cm2',
    balance: { confirmed: 0n, pending: 0n },
    deposits: [],
    transactions: new Map(),
  }
  return replayed(script, null)
}

const filled =
  (height: number): Step =>
  ({ script }) => {
    fillLifeTo(script.main, height)
    return undefined
  }

const bothDepositsMade: Step = ({ script }) => {
  const made = { isSent: true, slot: 9, feeSats: 1000n }
  script.deposits = [
    { ...made, txid: FIRST_DEPOSIT, raw: rawOf(90), valueSats: 50_000_000n },
    { ...made, txid: STRANDED, raw: rawOf(94), valueSats: 7_000_000n },
  ]
  script.transactions = new Map([
    [FIRST_DEPOSIT, { time: DEPOSITED_AT }],
    [STRANDED, { time: DEPOSITED_AT }],
  ])
  return undefined
}

/** What the node's `mine` bid for, by a main block that the recording has. */
const MINED_BY_BID = {
  block: emptyBlockOn(
    215,
    '71c4f5c1411957921a85986f24f425a60c02b424233a4557867f31e29b8c56cd',
    '37e53876affed61133501b591eedae56f145d9633ae3bed19ad5b9b3363656fa',
  ),
  mainHash: '57cbde31934f709647f891384316a0f9ee3470aa8e2c2ae5dd1f896062cfa702',
}

export const FIRST_LIFE: ReadonlyMap<number, Step> = new Map<number, Step>([
  [24, mined('4d83986af8020d98356e97ea7473bbf11fe6a406cf842eb87f706d682b6b07d3')],
  [31, filled(6)],
  [32, steps(filled(7), mined('62edd69db92a6153b4b608bcc631ad232268191471b28f43890cae867d205959'))],
  [36, filled(9)],
  [
    37,
    steps(
      filled(114),
      mined('12f713e721801b1e24b4c7d125ed629ed8f993fc14b2110fd0476d77c5d72506'),
      ({ script }) => {
        script.balance = { confirmed: 80_000_000_000n, pending: 495_000_000_000n }
        return undefined
      },
    ),
  ],
  [56, drawAddress],
  [89, makes(89)],
  [92, mempool(waiting(90, 1000n))],
  [93, makes(93)],
  [97, steps(mempool(waiting(90, 1000n), waiting(94, 1000n)), bothDepositsMade)],
  [102, mempool(waiting(94, 1000n))],
  [
    // The fee of the stranded deposit is lowered at the start.
    107,
    steps(mempool(), ({ script }) => {
      script.payoutScript = PAYOUT_AFTER_RESTART
      return undefined
    }),
  ],
  [133, makes(133)],
  [137, makes(137)],
  [207, makes(207)],
  [208, mempool(waiting(210, 5000n))],
  [209, makes(209)],
  [213, mempool(waiting(211, 9000n), waiting(210, 5000n))],
  [
    215,
    steps(mempool(), mined('71c4f5c1411957921a85986f24f425a60c02b424233a4557867f31e29b8c56cd')),
  ],
  [218, makes(220)],
  [220, mempool(inTemplate(220, 5111n))],
  [223, steps(mempool(), connects(MINED_BY_BID.block, MINED_BY_BID.mainHash))],
  [243, filled(130)],
  [252, makes(252)],
  [268, makes(268)],
  [299, filled(133)],
])
