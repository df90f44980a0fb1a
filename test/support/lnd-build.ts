import { spawn } from 'node:child_process'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BUILT_LND } from '../../src/devnet/lnd-binary.ts'

/** A module without a line of Go: it names lnd and pins everything that lnd is made of. */
const MODULE = join(import.meta.dirname, '../tools/lnd')
const LND = 'github.com/lightningnetwork/lnd'
/** What lnd asks of its compiler. */
const GO_MINIMUM = [1, 24, 11] as const
/** Of v0.20.1-beta: lnd tells its version by the commit that it was built from. */
const COMMIT = '848b72ce96eb68fa90fd4336523ca4c59bddcd4c'
/** Hold invoices, for one; and a wallet that opens quickly, which no real money may be in. */
const TAGS = 'signrpc walletrpc chainrpc invoicesrpc peersrpc lowscrypt'
const OUTPUT_CHARS_MAX = 4000

/** Holds what Go said where the build of this run has failed. */
export const LND_BUILD_FAILED = join(dirname(BUILT_LND), 'build-failed')

/** By its name, because that is decided before a file is read: they run last, and build an lnd. */
export function needsLnd(testFile: string): boolean {
  return /\.lnd\.test\.ts$/.test(testFile)
}

/** Why Go cannot build lnd here, or null where it can. */
export async function goComplaint(): Promise<string | null> {
  const wanted = `Go ${GO_MINIMUM.join('.')} or later (https://go.dev/dl)`
  const said = await go(['env', 'GOVERSION']).done.catch(() => null)
  if (said === null) return `there is no ${wanted}`
  const version = /^go(\d+)\.(\d+)(?:\.(\d+))?/.exec(said.trim())
  const numbers = version?.slice(1).map(part => Number(part ?? 0)) ?? []
  const at = GO_MINIMUM.findIndex((part, index) => numbers[index] !== part)
  const isEnough = at < 0 || (numbers[at] ?? 0) > (GO_MINIMUM[at] ?? 0)
  return isEnough ? null : `the Go here is ${said.trim()}, and lnd needs ${wanted}`
}

/** A build that is under way. */
export type LndBuild = {
  /** Rejects with the end of what Go said. */
  readonly done: Promise<void>
  /** What it has come to is kept, and the next one goes on from there. */
  readonly stop: () => void
}

/**
 * Builds lnd from the module proxy that Go is set to use: minutes of all cores, once. The caches are
 * ours, so that no home folder is needed, and 2 GB of them go when the program is there.
 */
export function buildLnd(): LndBuild {
  const fresh = `${BUILT_LND}-${process.pid}`
  const flags = `-s -w -X ${LND}/build.CommitHash=${COMMIT}`
  const build = go(['build', ...OPTIONS, '-ldflags', flags, '-tags', TAGS, '-o', fresh, PACKAGE])
  const done = build.done.then(async () => {
    // Whoever waits for it never sees half a program.
    await rename(fresh, BUILT_LND)
    await rm(CACHES, { recursive: true, force: true })
  })
  return { done, stop: build.stop }
}

const PACKAGE = `${LND}/cmd/lnd`
/** Modules are written so that they can be removed again; git is not asked about this checkout. */
const OPTIONS = ['-trimpath', '-modcacherw', '-buildvcs=false']
const CACHES = join(dirname(BUILT_LND), 'go')

function go(args: readonly string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const ending = new AbortController()
  void mkdir(CACHES, { recursive: true }).then(() => {
    const child = spawn('go', args, {
      cwd: MODULE,
      env: {
        ...process.env,
        GOPATH: join(CACHES, 'path'),
        GOCACHE: join(CACHES, 'build'),
        // Another compiler is fetched by nobody: whether one is there is what is asked first.
        GOTOOLCHAIN: 'local',
        CGO_ENABLED: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: ending.signal,
    })
    let said = ''
    const keep = (text: Buffer) => {
      said = `${said}${text}`.slice(-OUTPUT_CHARS_MAX)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve(said) : reject(new Error(said))))
  }, reject)
  return { done: promise, stop: () => ending.abort() }
}
