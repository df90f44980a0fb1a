import { findBitcoind } from '../../src/devnet/bitcoind-binary.ts'
import { findRedis } from '../../src/devnet/redis.ts'
import { createLog } from '../../src/lib/log.ts'

/**
 * Finds or fetches the servers that tests run, once and before any of them: a download is no part
 * of a test's time, and a part that is missing fails the run instead of leaving tests out.
 */
export default async function setup() {
  const log = createLog('test', 'warn')
  await findBitcoind({ log })
  await findRedis({ log })
}
