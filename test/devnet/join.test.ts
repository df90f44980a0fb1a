import { afterAll, beforeAll, expect, test } from 'vitest'
import { joinDevnet, joinDevnetSidechain, regtestConfig } from '../../src/devnet/index.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type SimulatedSidechain, simulatedSidechain } from '../support/simulated-sidechain.ts'

let others: SimulatedSidechain
beforeAll(async () => {
  others = await simulatedSidechain()
})
afterAll(() => others?.remove())

test('a devnet joins nodes that somebody else runs, again and again, and leaves them running', async () => {
  const { rpc } = others.node
  for (const wallets of [1, 2]) {
    const devnet = await joinDevnet({ rpc, hashesPerBlock: 1000n, random: systemRandom })
    const sidechain = await joinDevnetSidechain({ ...others.urls, rpc })
    expect(sidechain.name).toBe('Thunder')
    expect(await sidechain.holds(sidechain.address)).toBe(0n)
    expect(devnet.capitalCoins).toHaveLength(20)
    const config = regtestConfig({
      ...{ devnet, approvals: 1, apiPort: 4, database: {} },
      ports: { pplns: 1, pps: 2, solo: 3 },
      sidechain: { ...sidechain, port: 5, finalityDepth: 1 },
    })
    expect(config.node).toMatchObject({ url: devnet.poolNodeUrl, user: rpc.user })
    expect(config.node).not.toHaveProperty('zmqHashBlock')
    await sidechain.stop()
    await devnet.stop()
    const names = await others.node.cli('listwallets')
    expect(names).toHaveLength(1 + wallets)
    await others.mineSideBlock()
  }
})
