import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseCLI, startVitest } from 'vitest/node'

/**
 * `./sidepool test`: style, types, then the tests (all, or those that the arguments of vitest
 * choose). One step that fails hides no other. The last line is `N passed, N failed`, where style
 * and types count as one each, and so does a file that could not even be loaded.
 */
const ROOT = join(import.meta.dirname, '../..')

type Count = { readonly passed: number; readonly failed: number }

function check(program: string, ...args: readonly string[]): Count {
  const path = join(ROOT, 'node_modules', '.bin', program)
  const { status } = spawnSync(process.execPath, [path, ...args], { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) console.error(`${program} failed`)
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

async function runTests(args: readonly string[]): Promise<Count> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args])
  try {
    const vitest = await startVitest('test', filter, { ...options, root: ROOT, watch: false })
    const modules = vitest.state.getTestModules()
    const passed = modules.flatMap(module => [...module.children.allTests('passed')]).length
    const tests = modules.flatMap(module => [...module.children.allTests('failed')]).length
    const files = modules.filter(module => module.errors().length > 0).length
    const failed = tests + files + vitest.state.getUnhandledErrors().length
    await vitest.close()
    // What vitest itself calls a failure is one, also where nothing was counted.
    return { passed, failed: failed || (process.exitCode ? 1 : 0) }
  } catch (error) {
    console.error(error)
    return { passed: 0, failed: 1 }
  }
}

const counts = [check('biome', 'check', '.'), check('tsc'), await runTests(process.argv.slice(2))]
const passed = counts.reduce((sum, count) => sum + count.passed, 0)
const failed = counts.reduce((sum, count) => sum + count.failed, 0)
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
