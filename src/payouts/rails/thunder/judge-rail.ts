import type { CoinManifest } from '../../../approval/index.ts'
import { type Judgement, judgeApproval } from '../../judge-store.ts'
import type { Parts } from './thunder-parts.ts'

/** Asked before every signature. */
export function judge(parts: Parts, manifest: CoinManifest): Promise<Judgement<CoinManifest>> {
  return judgeApproval(parts, 'thunder', manifest, async () => {
    if (!parts.options.addresses.some(address => address === manifest.change))
      return 'its change is not an address of ours'
    const isOurs = await withdrawsToUs(parts, manifest)
    return isOurs ? null : 'it does not go to an address of our hot wallet'
  })
}

/** The rules let a withdrawal pay any address, so that this has the last word. */
async function withdrawsToUs(
  { isOurs }: Parts,
  { purpose, payees }: CoinManifest,
): Promise<boolean> {
  if (purpose !== 'withdrawal') return true
  const [payee] = payees
  return payee !== undefined && (await isOurs(payee.destination))
}
