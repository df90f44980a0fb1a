import { z } from 'zod'
import type { Sidechain } from './start.ts'

/** A proposal, six votes, and what activates the slot: all in blocks of the enforcer's own. */
const BLOCKS = 7
const HASH_ID_1 = '11'.repeat(32)
const HASH_ID_2 = '22'.repeat(20)
const addressReply = z.object({ address: z.string() })

/**
 * Puts Thunder's slot into use as miners would, by M1 and M2 in blocks of the simulated enforcer,
 * which votes for everything. The blocks pay the enforcer's wallet.
 */
export async function activateThunder({ enforcer }: Pick<Sidechain, 'enforcer'>): Promise<void> {
  const call = (method: string, body: object) => callConnect(enforcer.grpcUrl, method, body)
  await call('BlockProducerService/SubmitSidechainProposal', {
    sidechain_id: 9,
    declaration: {
      v0: {
        title: 'Thunder',
        description: 'Thunder sidechain (simulated)',
        hash_id_1: { hex: HASH_ID_1 },
        hash_id_2: { hex: HASH_ID_2 },
      },
    },
  })
  const { address } = addressReply.parse(await call('WalletService/CreateNewAddress', {}))
  await call('MiningService/GenerateToAddress', { blocks: BLOCKS, address })
}

/**
 * A unary call of the Connect protocol, for devnet and tests.
 *
 * @throws Error with the enforcer's own words when it refuses
 */
export async function callConnect(url: string, method: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}/cusf.mainchain.v1.${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method}: HTTP ${response.status} ${text}`)
  return JSON.parse(text)
}
