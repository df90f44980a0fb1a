import { payoutId } from '../src/lib/ids.ts'
import { parseTransaction } from '../src/lib/thunder/transaction.ts'
import { buildTransaction, transactionComplaint } from '../src/payouts/rails/thunder/transaction.ts'
import { checkThunderTransaction, thunderWallet } from '../src/signer/thunder.ts'
import {
  signOrder,
  THUNDER_SEED,
  thunderCoin,
  thunderOrder,
} from '../test/payouts/thunder-order.ts'
import { manifestOf } from '../test/signer/world.ts'
import { median, printMachine, printTable, quantile } from './parts/report.ts'

/**
 * Builds one transaction of Thunder that pays many: bytes, hashes and id; then every check of it, as
 * the pool makes them before it stores the signed bytes and the signer before it signs.
 */
const PAYEES = 2000
/** As many as a batch may spend. */
const COINS = 100
const ROUNDS = 20

const coins = Array.from({ length: COINS }, (_, n) => thunderCoin(n, 10n ** 9n))
const order = thunderOrder(coins, PAYEES)
const wallet = thunderWallet(THUNDER_SEED, 1)
const payees = order.payments
  .map(({ address, content }, n) => ({
    ...{ destination: address, amount: content.value, payouts: [payoutId(BigInt(n + 1))] },
  }))
  .toSorted((a, b) => (a.destination < b.destination ? -1 : 1))
const sorted = {
  ...order,
  payments: payees.map(({ destination: address, amount: value }) => ({
    ...{ address, content: { kind: 'value' as const, value } },
  })),
}
const manifest = manifestOf({
  ...{ rail: 'thunder', anchor: order.anchor, payees, feeMax: order.feeMax },
  change: order.change,
})
const spent = coins.map(({ address, value }) => ({ address, valueSats: value }))

function timed<T>(times: number[], work: () => T): T {
  const from = performance.now()
  const made = work()
  times.push(performance.now() - from)
  return made
}

const times = { build: [] as number[], check: [] as number[], signer: [] as number[] }
for (let round = 0; round < ROUNDS; round++) {
  const built = timed(times.build, () => buildTransaction(sorted, order.feeMax))
  if (built.kind !== 'built') throw new Error(built.kind)
  const raw = signOrder(built.bytes, sorted)
  const wrong = timed(times.check, () => transactionComplaint(raw, sorted))
  const told = { transaction: built.bytes, spent }
  const judged = timed(times.signer, () =>
    checkThunderTransaction(told, manifest, { wallet, home: null }),
  )
  if (wrong !== null || judged.kind !== 'good')
    throw new Error(`${wrong} ${JSON.stringify(judged)}`)
  if (parseTransaction(built.bytes)?.outputs.length !== PAYEES + 1) throw new Error('it is short')
}

printMachine()
printTable(`One transaction on Thunder: ${PAYEES} payees, ${COINS} coins, ${ROUNDS} times`, [
  ['what', 'median', 'slowest'],
  ...Object.entries({
    'built and hashed': times.build,
    'checked with its signatures, by the pool': times.check,
    'checked before it is signed, by the signer': times.signer,
  }).map(([what, all]) => [
    what,
    `${median(all).toFixed(0)} ms`,
    `${quantile(all, 1).toFixed(0)} ms`,
  ]),
])
