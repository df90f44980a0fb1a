import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestDatabase } from '../support/database.ts'

const EXAMPLE = join(import.meta.dirname, '../../config/regtest.json')

/** A configuration on a test's own database. Its secrets stand in files beside it. */
export async function configFile({ appUrl, ownerUrl }: Pick<TestDatabase, 'appUrl' | 'ownerUrl'>) {
  const dir = await mkdtemp(join(tmpdir(), 'sidepool-config-'))
  const secret = async (name: string, value: string) => {
    const file = join(dir, name)
    await writeFile(file, value, { mode: 0o600 })
    return { file }
  }
  const config = JSON.parse(await readFile(EXAMPLE, 'utf8'))
  // Of BIP 173's example key; nothing is mined here.
  config.pool.coinbaseAddress = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
  config.database = {
    url: await secret('app', appUrl),
    ownerUrl: await secret('owner', ownerUrl),
  }
  config.node.password = await secret('node', 'unused')
  config.treasury.poolKey = await secret('pool', '06'.repeat(32))
  const path = join(dir, 'config.json')
  await writeFile(path, JSON.stringify(config))
  return { path, dir, remove: () => rm(dir, { recursive: true, force: true }) }
}
