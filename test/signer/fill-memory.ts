import { operatorKeyOf } from '../../src/approval/index.ts'
import { digest, unixMs } from '../../src/lib/ids.ts'
import { openMemory } from '../../src/signer/memory-store.ts'
import { KEYS, START } from './world.ts'

// Writes into a memory until the system takes no more, and says how that went. Run by a test in a
// process whose files may not grow; the signal would end it before a write could fail.
process.on('SIGXFSZ', () => undefined)

const ENTRIES_MAX = 100
const at = unixMs(START)
const store = await openMemory(process.argv[2] ?? '', { now: () => at })
const lift = {
  ...({ kind: 'unfreeze', network: 'regtest', reason: 'a test', at } as const),
  ...{ freeze: digest('ab'.repeat(32)), by: operatorKeyOf(KEYS.alice), signature: '00'.repeat(64) },
}
let added = 0
const trouble: string[] = []
for (let tried = 0; tried < ENTRIES_MAX && trouble.length < 2; tried++) {
  try {
    await store.add(lift)
    added++
  } catch (error) {
    trouble.push(String(error instanceof Error ? error.message : error).split(':')[0] ?? '')
  }
}
process.stdout.write(JSON.stringify({ added, trouble }))
await store.close()
