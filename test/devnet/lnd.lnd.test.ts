import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { ask } from '../../src/devnet/connected-lnd.ts'
import { type TestLightning, testLightning } from '../support/lightning.ts'
import { describeOnLnd, LND_WAIT_MS } from '../support/lnd.ts'

describeOnLnd('three nodes and two channels', () => {
  let lightning: TestLightning

  beforeAll(async () => {
    lightning = await testLightning()
  }, LND_WAIT_MS)

  afterAll(() => lightning?.remove())

  test('are what is tested with, on regtest', async () => {
    const info = z.object({
      version: z.string(),
      chains: z.array(z.object({ network: z.string() })),
    })
    const said = await ask(lightning.alice, info, 'getInfo')
    expect(said).toMatchObject({ version: /^0\.20\.1-beta/, chains: [{ network: 'regtest' }] })
  })
})
