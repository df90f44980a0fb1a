import { z } from 'zod'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { parseBareAddress, THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import { mineDeposit } from './deposit.ts'
import { TEST_MNEMONIC, type TestSidechain } from './sidechain.ts'

const DEPOSIT = 1_000_000n
/** What leaves, Thunder's fee, the main chain's fee; whose it is there does not matter. */
const WITHDRAWAL = ['bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202', 200_000, 1000, 1500]
/** Side blocks before a bundle, and main blocks before it is proposed and has its votes. */
const BLOCKS_MAX = 12

/**
 * Brings a bundle of Thunder to where the next main block may pay it. The votes are the enforcer's,
 * which votes for every bundle unless told otherwise.
 */
export async function makePayableBundle(side: TestSidechain): Promise<void> {
  const enforcer = enforcerClient({ grpcUrl: side.urls.enforcerUrl })
  const { withdrawalBundleThreshold } = await enforcer.chainInfo()
  await side.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  const address = parseBareAddress(z.string().parse(await side.thunderCall('get_new_address')))
  if (address === null) throw new Error('it is an address')
  await side.mineSideBlock()
  await mineDeposit(side, address, DEPOSIT)
  await side.mineSideBlock()
  await side.thunderCall('create_withdrawal', ...WITHDRAWAL)
  await until(async () => {
    await side.mineSideBlock()
    return (await side.thunderCall('pending_withdrawal_bundle')) !== null
  })
  await until(async () => {
    await side.mine()
    const [bundle] = await enforcer.bundles(THUNDER_SLOT)
    return bundle !== undefined && bundle.voteCount > withdrawalBundleThreshold
  })
}

/** Then nobody pays it, and it fails in the next main block. */
export async function letBundleAge(side: TestSidechain): Promise<void> {
  const enforcer = enforcerClient({ grpcUrl: side.urls.enforcerUrl })
  const { withdrawalBundleMaxAge: ageMax } = await enforcer.chainInfo()
  const [bundle] = await enforcer.bundles(THUNDER_SLOT)
  if (!bundle) throw new Error('there is a bundle')
  const { height } = await enforcer.chainTip()
  // Miners without an enforcer neither vote for it nor pay it.
  await side.node.mine(bundle.proposalHeight + ageMax - height)
  await side.sync()
}

async function until(step: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < BLOCKS_MAX; n++) if (await step()) return
  throw new Error('it does not come about')
}
