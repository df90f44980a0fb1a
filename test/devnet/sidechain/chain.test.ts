import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readMessage } from '../../../src/bmm/index.ts'
import { parseCoinbase } from '../../../src/lib/bitcoin/tx.ts'
import { fromHex } from '../../../src/lib/bytes.ts'
import { pollUntil } from '../../../src/lib/poll.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../../support/simulated-sidechain.ts'

let sidechain: SimulatedSidechain
beforeAll(async () => {
  sidechain = await simulatedSidechain()
})
afterAll(() => sidechain.remove())

const template = z.object({
  transactions: z.array(
    z.object({ txid: z.string(), fee: z.number(), depends: z.array(z.number()) }),
  ),
  coinbasetxn: z.object({ data: z.string(), fee: z.number() }),
  longpollid: z.string(),
  previousblockhash: z.string(),
  height: z.number(),
})
const reply = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
})
const ASK = { rules: ['segwit'], capabilities: ['coinbasetxn'] }

async function askTemplate(params: object = ASK) {
  const response = await fetch(sidechain.enforcer.templateUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getblocktemplate', params: [params] }),
  })
  return reply.parse(await response.json())
}

const getTemplate = async (params?: object) => template.parse((await askTemplate(params)).result)

function acceptedBy({ coinbasetxn }: z.infer<typeof template>): string[] {
  const outputs = parseCoinbase(fromHex(coinbasetxn.data))?.outputs ?? []
  const messages = outputs.map(({ script }) => readMessage(script))
  return messages.flatMap(message => (message?.kind === 'M7' ? [message.sideBlock] : []))
}

async function bid(sideBlock: string, valueSats: number): Promise<string> {
  const best = await sidechain.node.cliText('getbestblockhash')
  const sent = await sidechain.enforcerCall('WalletService/CreateBmmCriticalDataTransaction', {
    sidechain_id: 9,
    value_sats: valueSats,
    height: 0,
    critical_hash: { hex: sideBlock },
    prev_bytes: { hex: best },
  })
  return z.object({ txid: z.object({ hex: z.string() }) }).parse(sent).txid.hex
}

/** Blocks of plain miners, who know of no sidechain. */
const minePlain = (count: number) => sidechain.node.mine(count)

test('the highest bid is in the template with its M7, and the others are not', async () => {
  await bid('aa'.repeat(32), 5000)
  const winner = await bid('bb'.repeat(32), 9000)
  const made = await getTemplate()
  expect(made.transactions.map(({ txid, fee }) => ({ txid, fee }))).toEqual([
    { txid: winner, fee: 9000 },
  ])
  expect(acceptedBy(made)).toEqual(['bb'.repeat(32)])
})

test('a plain miner who takes a bid without its M7 loses his block', async () => {
  const before = await sidechain.node.cliText('getbestblockhash')
  const [lost = ''] = await minePlain(1)
  const tip = await pollUntil(
    async () => {
      const best = await sidechain.node.cliText('getbestblockhash')
      return best === before ? best : null
    },
    { everyMs: 50, timeoutMs: 45_000 },
  )
  expect(tip).toBe(before)
  expect(sidechain.enforcer.control.rejections.get(lost)).toMatch(/not accepted by miners$/)
  const info = { block_hash: { hex: lost }, sidechain_id: 9 }
  expect(await sidechain.enforcerCall('ValidatorService/GetBlockInfo', info)).toEqual({})
})

test('bids hold for one parent: after another block no miner is paid for them any more', async () => {
  await sidechain.enforcer.control.mine({ accept: 'cc'.repeat(32) })
  const made = await getTemplate()
  expect(made.transactions).toEqual([])
  await minePlain(1)
  expect(await sidechain.enforcerCall('ValidatorService/GetChainTip')).toMatchObject({
    blockHeaderInfo: { blockHash: { hex: await sidechain.node.cliText('getbestblockhash') } },
  })
})

test("Thunder's own bid comes into the next block, and its block becomes the tip", async () => {
  await sidechain.thunderCall(
    'set_seed_from_mnemonic',
    'legal winner thank year wave sausage worth useful legal winner thank yellow',
  )
  const mining = sidechain.thunderCall('mine', 7777)
  const withBid = await pollUntil(
    async () => {
      const made = await getTemplate()
      return made.transactions.length > 0 ? made : null
    },
    { everyMs: 50, timeoutMs: 45_000 },
  )
  expect(withBid?.transactions[0]?.fee).toBe(7777)
  await sidechain.enforcer.control.mine()
  expect(await mining).toBeNull()
  expect(await sidechain.thunderCall('getblockcount')).toBe(1)
})

test('while it synchronises, the enforcer has no templates', async () => {
  const { control } = sidechain.enforcer
  control.setSyncing(true)
  expect((await askTemplate()).error?.code).toBe(-10)
  control.setSyncing(false)
  expect((await askTemplate({ rules: ['segwit'] })).error).toMatchObject({ code: -32603 })
})

test('a long poll ends with the next block, and holds up what is sent behind it', async () => {
  const { longpollid, height } = await getTemplate()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const order: string[] = []
  const onOneSocket = (name: string, params: object) =>
    new Promise<void>((resolve, reject) => {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'getblocktemplate',
        params: [params],
      })
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      const sent = request(
        sidechain.enforcer.templateUrl,
        { method: 'POST', agent, headers },
        response => {
          response.resume().on('end', () => {
            order.push(name)
            resolve()
          })
        },
      )
      sent.on('error', reject).end(body)
    })
  const both = [onOneSocket('long poll', { ...ASK, longpollid }), onOneSocket('behind it', ASK)]
  // A template on another connection is answered at once.
  expect((await getTemplate()).height).toBe(height)
  expect(order).toEqual([])
  await minePlain(1)
  await Promise.all(both)
  expect(order).toEqual(['long poll', 'behind it'])
  agent.destroy()
})
