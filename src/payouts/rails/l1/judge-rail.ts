import type { CoinManifest } from '../../../approval/index.ts'
import { type Judgement, judgeApproval } from '../../judge-store.ts'
import { depositOf } from './deposit.ts'
import { type Parts, walletOf } from './l1-parts.ts'

/** Asked before every signature, of a first version and of every further one. */
export function judge(parts: Parts, manifest: CoinManifest): Promise<Judgement<CoinManifest>> {
  return judgeApproval(parts, 'l1', manifest, async () => {
    const { client } = walletOf(parts, manifest)
    if (!(await client.isOurs(manifest.change))) return 'its change is not an address of the wallet'
    if (!(await transfersToUs(parts, manifest)))
      return 'it does not go to an address of our other wallet'
    if (!depositsToUs(parts, manifest)) return 'it does not go to a Thunder address of ours'
    return fillsOurChannels(parts, manifest) ? null : 'it does not go to the wallet of our lnd'
  })
}

/** The same of deposits: our addresses there stand in the configuration. */
function depositsToUs({ sidechain }: Parts, manifest: CoinManifest): boolean {
  if (manifest.purpose !== 'deposit') return true
  return sidechain?.addresses.has(depositOf(manifest).address) === true
}

/** Only the address that stands in the configuration is of our lnd. */
function fillsOurChannels({ channelAddress }: Parts, { purpose, payees }: CoinManifest): boolean {
  return purpose !== 'channel' || payees[0]?.destination === channelAddress
}

/** The rules let a transfer pay any address, so that this has the last word. */
async function transfersToUs(
  { hot, cold }: Parts,
  { purpose, wallet, payees }: CoinManifest,
): Promise<boolean> {
  if (purpose !== 'transfer') return true
  const other = wallet === 'hot' ? cold : hot
  const [payee] = payees
  return payee !== undefined && (await other?.client.isOurs(payee.destination)) === true
}
