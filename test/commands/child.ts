import { spawn } from 'node:child_process'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** What a command said and how it ended. */
export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** Runs `sidepool` as an operator does, in a process of its own without a terminal. */
export function runCommand(
  args: readonly string[],
  options: { readonly environment?: Record<string, string>; readonly cwd?: string } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, stdout, stderr }))
  })
}
