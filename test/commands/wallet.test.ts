import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { runCommand } from './child.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sidepool-wallet-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

test('a seed that came back from paper gives the keys that it gave when it was made', async () => {
  const seed = join(dir, 'cold.seed')
  const made = await runCommand(['signer', 'keygen', '--network', 'signet', '--out', seed])
  const again = await runCommand(['signer', 'public', '--network', 'signet', '--seed', seed])
  expect(made.stdout).toMatch(
    /^wpkh\(.*\ntr\(.*\nas one key of a multisig: \[.*\non Thunder: \w{20,28}\n$/,
  )
  expect(again).toEqual(made)
})

test("a wallet's first address is worked out from its descriptor", async () => {
  const example = JSON.parse(await readFile('config/signer.example.json', 'utf8'))
  const hot = z.object({ wallets: z.object({ hot: z.object({ descriptor: z.string() }) }) })
  const path = join(dir, 'hot.descriptor')
  await writeFile(path, `${hot.parse(example).wallets.hot.descriptor}\n`)
  const mainnet = await runCommand(addressOf(path, 'mainnet'))
  // Source: BIP 84, test vectors, account 0, first receiving address.
  expect(mainnet.stdout).toBe('bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu\n')
  expect((await runCommand(addressOf(path, 'signet'))).code).toBe(2)
  expect((await runCommand(addressOf(path, 'dogecoin'))).stderr).toContain('mainnet, testnet4')
  expect((await runCommand(addressOf(join(dir, 'none'), 'signet'))).stderr).toContain('no file')
})

function addressOf(path: string, network: string): string[] {
  return ['treasury', 'address', '--network', network, '--descriptor', path]
}

test('a confirmation is never written over a file', async () => {
  const key = join(dir, 'operator.key')
  await runCommand(['treasury', 'keygen', '--out', key])
  const head = `2:${'ab'.repeat(32)}`
  const args = ['signer', 'confirm', '--signer', head, '--pool', head, '--key', key, '--out']
  expect(await runCommand([...args, join(dir, 'act.json')])).toMatchObject({ code: 0 })
  const again = await runCommand([...args, join(dir, 'act.json')])
  expect(again).toMatchObject({ code: 2 })
  expect(again.stderr).toMatch(/^\S+act\.json cannot be written: [^\n]*\n$/)
})
