import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { TestProject } from 'vitest/node'
import { z } from 'zod'
import { BUILT_LND, findLnd } from '../../src/devnet/lnd-binary.ts'
import { buildLnd, goComplaint, LND_BUILD_FAILED, needsLnd } from './lnd-build.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why no test of this run has an lnd; null where there is one, or will be. */
    lndMissing: string | null
  }
}

/** What vitest was asked to run, which its types do not show; all, where it hides it some day. */
const chosen = z.object({ filenamePattern: z.array(z.string()).optional() })

/**
 * Begins to build lnd where a test of this run needs one and there is none, and goes on: other tests
 * run meanwhile, and those that need it wait for it. Where it cannot be built, they are skipped, and
 * what was not tested is said where nobody overlooks it.
 */
export default async function setup(project: TestProject) {
  const { filenamePattern } = chosen.parse(project.vitest)
  const { testFiles } = await project.globTestFiles(filenamePattern ?? [])
  const isNeeded = testFiles.some(needsLnd)
  await rm(LND_BUILD_FAILED, { force: true })
  if (!isNeeded || (await findLnd()) !== null) return project.provide('lndMissing', null)

  const complaint = await goComplaint()
  if (complaint === null) {
    project.provide('lndMissing', null)
    await mkdir(dirname(BUILT_LND), { recursive: true })
    console.error('lnd is being built: it takes minutes, once; the tests that need it wait for it')
    const build = buildLnd()
    build.done.catch(error => writeFile(LND_BUILD_FAILED, String(error)))
    return build.stop
  }
  const reason = `there is no lnd, and none can be built: ${complaint}`
  project.provide('lndMissing', reason)
  const say = () => console.error(`\nSKIPPED: everything on a real lnd. Reason: ${reason}`)
  say()
  return say
}
