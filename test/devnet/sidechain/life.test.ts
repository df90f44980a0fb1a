import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { fromHex } from '../../../src/lib/bytes.ts'
import { TEST_MNEMONIC, type TestSidechain, testSidechain } from '../../support/sidechain.ts'

const FIRST_ADDRESS = '46mGHHQ2cvLLHYfJqyP4EuSDamdP'

let sidechain: TestSidechain
beforeAll(async () => {
  sidechain = await testSidechain()
})
afterAll(() => sidechain.remove())

const deposits = z.object({
  transactions: z.array(
    z.object({ tx: z.object({ rawTransaction: z.object({ hex: z.string() }) }) }),
  ),
})

test('a deposit that the node refuses comes into our own block, and is credited one later', async () => {
  const { thunderCall, enforcerCall, enforcer, mineSideBlock } = sidechain
  await thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  const address = await thunderCall('get_new_address')
  expect(address).toBe(FIRST_ADDRESS)
  await expect(thunderCall('create_deposit', address, 50_000_000, 1000)).rejects.toThrow(
    /^CUSF mainchain proto error: code: 'Unknown error', message: "broadcast deposit transaction failed: [0-9a-f]{64}"$/,
  )
  const listed = deposits.parse(
    await enforcerCall('WalletService/ListSidechainDepositTransactions'),
  )
  const raw = listed.transactions.map(({ tx }) => fromHex(tx.rawTransaction.hex))
  await enforcer.control.mine({ transactions: raw })
  expect(await enforcerCall('ValidatorService/GetCtip', { sidechain_number: 9 })).toMatchObject({
    ctip: { value: '50000000' },
  })
  expect(await thunderCall('get_utxos', [address])).toEqual([])
  await mineSideBlock()
  expect(await thunderCall('get_utxos', [address])).toMatchObject([
    { output: { address, content: { Value: 50_000_000 } } },
  ])
  expect(await thunderCall('balance')).toEqual({
    total_sats: 50_000_000,
    available_sats: 50_000_000,
  })
})
