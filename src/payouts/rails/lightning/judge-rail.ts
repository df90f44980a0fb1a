import type { LineManifest } from '../../../approval/index.ts'
import { type Judgement, judgeApproval } from '../../judge-store.ts'
import type { LightningParts } from './lightning-parts.ts'

/** Asked before the first payment and whenever more is asked of the signer. */
export function judge(
  parts: LightningParts,
  manifest: LineManifest,
): Promise<Judgement<LineManifest>> {
  return judgeApproval(parts, 'lightning', manifest, async () => null)
}
