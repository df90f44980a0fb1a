import { expect, test } from 'vitest'
import recorded from '../../vectors/bmm-blocks.json' with { type: 'json' }
import { fillLife } from './script-life.ts'
import { scriptedMain, stateAt } from './scripted-main.ts'

const WHERE = /^Error handling transaction `[0-9a-f]{64}` in block `[0-9a-f]{64}`: /

test('every recorded block gets the recorded verdict, with the enforcer in its own words', () => {
  const life = scriptedMain()
  const reorgs = {
    114: () =>
      scriptedMain(
        stateAt('02522f3c0fce5cea5913ece5c9f8618ec56eff8c85d8271fb862ef4f258fefa9', 113),
      ),
    139: () =>
      scriptedMain(
        stateAt('44dbe982c0d766b7a09fe93d32b305b919b6f9bca48a1f8d5284d4224113c1a7', 138, {
          txid: '42cf16d2e40a46d369f6da425e4853bcecbf0d002257d2e22d2b9c56e2eed51b',
          value: 45_000_000n,
          sequence: 1n,
        }),
      ),
  }
  const verdicts = recorded.blocks.map(({ chain, height, hash, hex }) => {
    if (chain === 'life') fillLife(life, hex)
    const main = chain === 'life' ? life : height === 114 ? reorgs[114]() : reorgs[139]()
    // The recording keeps what follows the names of transaction and block.
    const refused = main.submit(hex).reason?.replace(WHERE, '') ?? null
    return { hash, refused }
  })
  expect(verdicts).toEqual(recorded.blocks.map(({ hash, refused }) => ({ hash, refused })))
})
