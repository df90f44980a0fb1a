import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { callConnect } from '../../../src/devnet/sidechain/activate.ts'
import { startEnforcerSim } from '../../../src/devnet/sidechain/enforcer-sim.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { createLog } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/lib/time.ts'
import { TEST_MNEMONIC } from '../../support/sidechain.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../../support/simulated-sidechain.ts'

const FIRST_ADDRESS = '46mGHHQ2cvLLHYfJqyP4EuSDamdP'
const MAIN_ADDRESS = 'bcrt1qx2wfn6jw84xdwffrnhf64yccfkxgc6xjpla785'

/** On a node that relays treasury outputs, so the first deposit of the slot comes by itself. */
let sidechain: SimulatedSidechain
beforeAll(async () => {
  sidechain = await simulatedSidechain({ relaysNonStandard: true })
  await sidechain.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  await sidechain.thunderCall('get_new_address')
})
afterAll(() => sidechain.remove())

const deposits = z.object({
  transactions: z.array(z.object({ tx: z.object({ txid: z.object({ hex: z.string() }) }) })),
})
const sent = z.object({ txid: z.object({ hex: z.string() }) })
const template = z.object({
  result: z.object({ transactions: z.array(z.object({ txid: z.string() })) }).optional(),
  error: z.object({ code: z.number(), data: z.string() }).optional(),
})

const depositBy = (valueSats: number) =>
  sidechain.enforcerCall('WalletService/CreateDepositTransaction', {
    sidechain_id: 9,
    address: FIRST_ADDRESS,
    value_sats: valueSats,
    fee_sats: 1000,
  })

async function listedDeposits(): Promise<string[]> {
  const listed = await sidechain.enforcerCall('WalletService/ListSidechainDepositTransactions')
  return deposits.parse(listed).transactions.map(({ tx }) => tx.txid.hex)
}

async function askTemplate() {
  const params = [{ rules: ['segwit'], capabilities: ['coinbasetxn'] }]
  const response = await fetch(sidechain.enforcer.templateUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getblocktemplate', params }),
  })
  return template.parse(await response.json())
}

const treasury = () => sidechain.enforcerCall('ValidatorService/GetCtip', { sidechain_number: 9 })

test('two first deposits of a slot jam every template until the enforcer starts again', async () => {
  const { enforcer, thunderCall, mineSideBlock } = sidechain
  const first = sent.parse(await depositBy(50_000_000)).txid.hex
  expect((await askTemplate()).result?.transactions).toEqual([{ txid: first }])
  const stranded = sent.parse(await depositBy(7_000_000)).txid.hex
  const jam = (await askTemplate()).error
  expect(jam?.data).toMatch(/^Failed to apply .* Old Ctip for sidechain 9 is unspent$/)
  // Whoever built on an earlier template mines one of them, and the other is left over.
  expect(await listedDeposits()).toEqual([first, stranded])
  await sidechain.node.cli('generateblock', 'raw(51)', [first])
  expect((await askTemplate()).error).toBeDefined()
  await enforcer.control.restart()
  expect((await askTemplate()).result?.transactions).toEqual([])
  expect(await sidechain.node.cli('getrawmempool')).toEqual([stranded])
  expect(await thunderCall('get_utxos', [FIRST_ADDRESS])).toEqual([])
  await mineSideBlock()
  expect(await thunderCall('get_utxos', [FIRST_ADDRESS])).toEqual([
    {
      outpoint: { Deposit: `${first}:0` },
      output: { address: FIRST_ADDRESS, content: { Value: 50_000_000 } },
    },
  ])
})

test('a later deposit is refused by policy, and of two on one treasury coin only one can come', async () => {
  const { enforcer } = sidechain
  await expect(depositBy(1_000_000)).rejects.toThrow(/broadcast deposit transaction failed/)
  await expect(depositBy(2_000_000)).rejects.toThrow(/broadcast deposit transaction failed/)
  const [ours, rival] = enforcer.parts.wallet?.deposits().slice(-2) ?? []
  if (!ours || !rival) throw new Error('both deposits were made')
  // What the node refused is forgotten, until a block has it.
  const before = await listedDeposits()
  await enforcer.control.mine({ transactions: [fromHex(rival.raw)] })
  expect(await listedDeposits()).toEqual([...before, rival.txid])
  expect(await treasury()).toEqual({
    ctip: { txid: { hex: rival.txid }, value: '52000000', sequenceNumber: '1' },
  })
  await expect(enforcer.control.mine({ transactions: [fromHex(ours.raw)] })).rejects.toThrow(
    /Old Ctip for sidechain 9 is unspent$/,
  )
})

test('a withdrawal leaves by a bundle that six blocks voted for', async () => {
  const { enforcer, enforcerCall, thunderCall, mineSideBlock } = sidechain
  // A bundle is made from the fifth side block on.
  for (let i = 0; i < 4; i++) await mineSideBlock()
  await thunderCall('create_withdrawal', MAIN_ADDRESS, 200_000, 1000, 1500)
  await mineSideBlock()
  expect(await thunderCall('pending_withdrawal_bundle')).toMatchObject({
    tx: { output: [{}, {}, { value: 200_000 }] },
  })
  const proposals = () =>
    enforcerCall('ValidatorService/GetWithdrawalBundleProposals', { sidechain_id: 9 })
  await enforcer.control.mine()
  expect(await proposals()).toMatchObject({ proposals: [{ voteCount: 1 }] })
  for (let i = 0; i < 5; i++) await enforcer.control.mine()
  expect(await proposals()).toMatchObject({ proposals: [{ voteCount: 6 }] })
  await enforcer.control.mine()
  expect(await proposals()).toEqual({})
  expect(await treasury()).toMatchObject({ ctip: { value: String(52_000_000 - 201_500) } })
  await mineSideBlock()
  expect(await thunderCall('pending_withdrawal_bundle')).toBeNull()
  expect(await thunderCall('sidechain_wealth')).toBe(52_000_000 - 201_500)
})

test('an enforcer without a wallet does not know the calls of one', async () => {
  const bare = await startEnforcerSim({
    rpc: sidechain.node.rpc,
    opcode: 0xb4,
    hasWallet: false,
    log: createLog('test', 'silent'),
    clock: systemClock,
  })
  await expect(callConnect(bare.grpcUrl, 'WalletService/GetBalance', {})).rejects.toThrow(
    'HTTP 404 {"code":"unimplemented"',
  )
  expect(await callConnect(bare.grpcUrl, 'ValidatorService/GetSidechains', {})).toMatchObject({
    sidechains: [{ sidechainNumber: 9 }],
  })
  await bare.stop()
})
