import { systemClock } from '../../src/lib/time.ts'
import { openMemory } from '../../src/signer/memory-store.ts'

// Opens a memory when told to, says how that went, and holds it until it is ended. Run by a test,
// in two processes at once.
process.stdout.write('ready\n')
process.stdin.once('data', () => {
  openMemory(process.argv[2] ?? '', systemClock).then(
    () => process.stdout.write('open\n'),
    error => process.stdout.write(`${error.message}\n`),
  )
})
