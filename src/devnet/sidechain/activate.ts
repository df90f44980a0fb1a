import { z } from 'zod'
import { THUNDER_SLOT } from '../../lib/thunder/address.ts'

/** A proposal, six votes, and what activates the slot: all in blocks of the enforcer's own. */
const BLOCKS = 7
const HASH_ID_1 = '11'.repeat(32)
const HASH_ID_2 = '22'.repeat(20)
const addressReply = z.object({ address: z.string() })
const activeReply = z.object({
  sidechains: z.array(z.object({ sidechainNumber: z.number().default(0) })).default([]),
})

/**
 * Puts Thunder's slot into use as miners would, by M1 and M2 in blocks of the enforcer, which votes
 * for everything unless told otherwise. The blocks pay its wallet. Nothing is done where the slot
 * is in use.
 *
 * @param url of the enforcer's Connect calls
 */
export async function activateThunder(url: string): Promise<void> {
  const call = (method: string, body: object) => callConnect(url, method, body)
  const { sidechains } = activeReply.parse(await call('ValidatorService/GetSidechains', {}))
  if (sidechains.some(({ sidechainNumber }) => sidechainNumber === THUNDER_SLOT)) return
  await call('BlockProducerService/SubmitSidechainProposal', {
    sidechain_id: THUNDER_SLOT,
    declaration: {
      v0: {
        title: 'Thunder',
        description: 'Thunder sidechain on regtest',
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
