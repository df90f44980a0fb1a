import { fromHex } from '../../src/lib/bytes.ts'
import { sats } from '../../src/lib/money.ts'
import { enforcerClient } from '../../src/lib/nodes/enforcer-client.ts'
import { thunderClient } from '../../src/lib/nodes/thunder-client.ts'
import { THUNDER_SLOT } from '../../src/lib/thunder/address.ts'
import { seedOfMnemonic, thunderKey } from '../../src/lib/thunder/keys.ts'
import { payment } from '../contracts/thunder-payment.ts'
import { mineDeposit } from './deposit.ts'
import { TEST_MNEMONIC, type TestSidechain } from './sidechain.ts'

const DEPOSIT = 1_000_000n
/** What leaves; whose it is on the main chain does not matter. */
const WITHDRAWAL = {
  ...{ kind: 'withdrawal' as const, value: sats(200_000n), mainFee: sats(1500n) },
  mainScript: fromHex(`0014${'00'.repeat(20)}`),
}
/** Further than the node's wallet counts: after reorganisations it spends coins that are gone. */
const KEY_INDEX = 1000
/** Side blocks before a bundle, and main blocks before it is proposed and has its votes. */
const BLOCKS_MAX = 12

/**
 * Brings a bundle of Thunder to where the next main block may pay it. The votes are the enforcer's,
 * which votes for every bundle unless told otherwise.
 */
export async function makePayableBundle(side: TestSidechain): Promise<void> {
  const enforcer = enforcerClient({ grpcUrl: side.urls.enforcerUrl })
  const { withdrawalBundleThreshold } = await enforcer.chainInfo()
  // Without a seed its node makes no side block that collects a fee.
  await side.thunderCall('set_seed_from_mnemonic', TEST_MNEMONIC)
  const thunder = thunderClient({ ...side.urls, network: 'regtest' })
  const key = thunderKey(seedOfMnemonic(TEST_MNEMONIC) ?? new Uint8Array(), KEY_INDEX)
  const { address } = key
  await side.mineSideBlock()
  await mineDeposit(side, address, DEPOSIT)
  await side.mineSideBlock()
  const [coin] = await thunder.getUtxos([address])
  if (!coin) throw new Error('the deposit is credited')
  await thunder.submitTransaction(payment(coin, key, { address, content: WITHDRAWAL }))
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
