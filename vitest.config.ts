import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { namesServices } from './src/devnet/sidechain-services.ts'
import { needsLnd } from './test/support/lnd-build.ts'

/**
 * Where a process is killed at every boundary comes first, since it takes longest and mostly waits;
 * else what may have to wait for lnd to be built comes last, so that it keeps nothing else waiting.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const isKill = moduleId.includes('/test/faults/')
  return (isKill ? 0 : 2) + Number(needsLnd(moduleId))
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: [
      'test/support/lnd-for-the-run.ts',
      'test/support/real-parts.ts',
      'test/support/postgres-for-the-run.ts',
    ],
    sequence: { sequencer: LongestFirst },
    // Real servers share two cores with the tests, so more files at once would only wait longer.
    // Real nodes of a sidechain (docs/thunder.md) are one chain, on which files take turns.
    maxWorkers: namesServices(process.env) ? 1 : 2,
    testTimeout: 180_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
  },
})
