import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  ALL_GROUPS,
  answerCall,
  PRIVATE_GROUPS,
  PUBLIC_GROUPS,
  type Surface,
} from '../../../src/devnet/sidechain/thunder/answer.ts'
import type { MainPort } from '../../../src/devnet/sidechain/thunder/main-port.ts'
import { METHODS, THUNDER_VERSIONS } from '../../../src/devnet/sidechain/thunder/methods.ts'
import { thunderNode } from '../../../src/devnet/sidechain/thunder/node.ts'
import recorded from '../../vectors/thunder/methods.json' with { type: 'json' }

const schema = z.object({ paths: z.record(z.string(), z.unknown()) })
const outcome = z.object({ value: schema })
const NOBODY: MainPort = {
  tip: () => Promise.reject(new Error('nobody asks for the main chain here')),
  upTo: async () => null,
  nextBlock: () => new Promise(() => {}),
  wallet: null,
}
const NO_PARAMS = {
  read: () => {
    throw new Error('nobody reads parameters here')
  },
  readOptional: () => null,
}

async function namesOf(surface: Surface): Promise<string[]> {
  const node = thunderNode(NOBODY, () => ({ panicsOnUndo: true, looksForDescendants: true }))
  const call = { method: 'openapi_schema', params: NO_PARAMS }
  return Object.keys(outcome.parse(await answerCall(node, surface, call)).value.paths)
}

test('the newest node names the calls that the real one named, but for the one left out', async () => {
  const names = await namesOf({ version: '0.17.2', groups: ALL_GROUPS })
  expect(names).toEqual(recorded.methods.filter(name => name !== 'generate_mnemonic'))
})

const TRANSFER_CALLS = [
  ...['transfer', 'withdraw', 'create_transfer', 'create_withdrawal', 'sign_transaction'],
  ...['submit_transaction', 'get_utxos', 'get_stxos', 'get_block_template', 'connect_block'],
]

test('each version has the transfer calls of its time', async () => {
  const byVersion = THUNDER_VERSIONS.map(async version => {
    const names = await namesOf({ version, groups: ALL_GROUPS })
    return [version, TRANSFER_CALLS.filter(name => names.includes(name))]
  })
  const middle = ['create_transfer', 'create_withdrawal', 'sign_transaction', 'submit_transaction']
  expect(await Promise.all(byVersion)).toEqual([
    ['0.16', ['transfer', 'withdraw']],
    ['0.17.0', middle],
    ['0.17.1', [...middle, 'get_utxos', 'get_stxos']],
    ['0.17.2', TRANSFER_CALLS.slice(2)],
  ])
})

test('with two addresses each call is at exactly one of them', async () => {
  const version = '0.17.2'
  const [open, hidden] = await Promise.all(
    [PUBLIC_GROUPS, PRIVATE_GROUPS].map(groups => namesOf({ version, groups })),
  )
  expect(open?.filter(name => hidden?.includes(name))).toEqual(['openapi_schema'])
  expect(new Set([...(open ?? []), ...(hidden ?? [])]).size).toBe(
    new Set(METHODS.filter(({ until }) => until === undefined).map(({ name }) => name)).size + 2,
  )
})
