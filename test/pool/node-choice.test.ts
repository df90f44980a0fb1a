import { expect, test } from 'vitest'
import { blockHash } from '../../src/lib/ids.ts'
import { chooseNode, nodeComplaint } from '../../src/pool/node-choice.ts'

test.each([
  ['all are as high: nothing changes', [5, 5, 5], 1, 1],
  ['another is higher', [5, 6, 5], 0, 1],
  ['of the higher ones the first', [5, 6, 6], 0, 1],
  ['the present one is silent', [null, 5, 5], 0, 1],
  ['one that is back is not taken without need', [5, 5], 1, 1],
  ['nobody is fit: the present one stays', [null, null], 1, 1],
  ['a chain of one block is a chain', [null, 0], 0, 1],
] as const)('%s', (_what, heights, present, chosen) => {
  expect(chooseNode(heights, present)).toBe(chosen)
})

const info = {
  ...{ chain: 'main', blocks: 900_000, headers: 900_003, isInitialBlockDownload: false },
  bestBlock: blockHash('aa'.repeat(32)),
}

test.each([
  ['three headers ahead', {}, 'mainnet', undefined],
  ['four', { headers: 900_004 }, 'mainnet', 'node is syncing'],
  ['its own word', { isInitialBlockDownload: true }, 'mainnet', 'node is syncing'],
  [
    'its own word on regtest',
    { chain: 'regtest', isInitialBlockDownload: true },
    'regtest',
    undefined,
  ],
  ['another chain', { chain: 'signet' }, 'mainnet', 'wrong network'],
] as const)('a node is judged by %s', (_what, changed, network, reason) => {
  expect(nodeComplaint({ ...info, ...changed }, network)?.reason).toBe(reason)
})
