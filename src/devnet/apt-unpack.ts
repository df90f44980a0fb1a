import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Log } from '../lib/log.ts'

const run = promisify(execFile)

/** Of apt's output. More ends the call, which then reports what there was. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024
/** For one call of apt. A mirror that is slower than this counts as away. */
const APT_TIMEOUT_MS = 10 * 60_000
const KEYRINGS = ['gpg', 'pgp'].map(end => `/usr/share/keyrings/debian-archive-keyring.${end}`)
/** Debian's name for the machine's libraries, by Node's name for the machine. */
const TRIPLETS: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
}

/** A program of Debian's and what must stand before its own arguments. */
export type Program = { readonly file: string; readonly args: readonly string[] }

/** What to take from Debian and where to keep it. */
export type DebianPackage = {
  readonly name: string
  /** `own` is the release that this machine runs. */
  readonly suite: 'unstable' | 'own'
  /** The folder it is kept in; made if absent, and used again if it is there. */
  readonly cache: string
  readonly log: Log
}

/** Runs a program of the unpacked folder, by its path there, for example `usr/bin/bitcoind`. */
export type Unpacked = { readonly program: (path: string) => Program }

/**
 * Downloads a package of Debian with all it depends on and unpacks it into a folder of ours: no
 * root, and no change to the system. apt resolves, downloads and verifies with Debian's own key,
 * from the mirror that the machine itself uses.
 *
 * @returns null where this is not Debian or its tools are missing, so that nothing can be unpacked
 * @throws Error with apt's own words when the mirror fails or a signature is wrong
 */
export async function unpackFromDebian(wanted: DebianPackage): Promise<Unpacked | null> {
  const cache = resolve(wanted.cache)
  const triplet = TRIPLETS[process.arch]
  if (process.platform !== 'linux' || triplet === undefined) return null
  const known = await readFile(join(cache, 'complete'), 'utf8').catch(() => null)
  if (known === null) {
    const release = await debianRelease()
    if (release === null) return null
    const suite = wanted.suite === 'own' ? release : wanted.suite
    wanted.log.info({ package: wanted.name, suite }, 'downloading a package of Debian')
    const mirror = await mirrorOf(release)
    const { name } = wanted
    // Whoever asks for it twice at once in one process waits for the one download.
    const filled = filling.get(cache) ?? fill({ cache, name, suite, mirror, triplet })
    filling.set(cache, filled)
    await filled.finally(() => filling.delete(cache))
  }
  const libraries = join(cache, 'root', 'usr', 'lib', triplet)
  const loader = (await readdir(libraries)).find(name => /^ld-linux.*\.so\.\d$/.test(name))
  if (loader === undefined) throw new Error(`no loader in ${libraries}: remove ${cache}`)
  return {
    // Through the loader and the C library of its own release, which may be newer than ours.
    program: path => ({
      file: join(libraries, loader),
      args: ['--library-path', libraries, join(cache, 'root', path)],
    }),
  }
}

/** The release's code name, or null where this is not Debian. */
async function debianRelease(): Promise<string | null> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string) => new RegExp(`^${name}="?([a-z]+)"?$`, 'm').exec(text)?.[1]
  for (const tool of ['apt-get', 'dpkg-deb', 'tar'])
    if (!(await run(tool, ['--version']).catch(() => null))) return null
  if (field('ID') !== 'debian') return null
  return field('VERSION_CODENAME') ?? null
}

/** The mirror that the machine is set up for; asking needs neither root nor a first update. */
async function mirrorOf(release: string): Promise<string> {
  const { stdout } = await apt(['update', '--print-uris'])
  const base = new RegExp(`^'([^' ]+)/dists/${release}/main/binary-`, 'm').exec(stdout)?.[1]
  if (base === undefined) throw new Error(`apt is set up for no mirror of Debian ${release}`)
  return base
}

const filling = new Map<string, Promise<void>>()

/** Works in a draft that is moved into place whole, so that a stop leaves no half of it. */
async function fill(from: {
  readonly cache: string
  readonly name: string
  readonly suite: string
  readonly mirror: string
  readonly triplet: string
}): Promise<void> {
  const { cache, name, suite, mirror, triplet } = from
  const draft = `${cache}.draft-${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await mkdir(join(draft, 'apt', 'state', 'lists', 'partial'), { recursive: true })
  await mkdir(join(draft, 'apt', 'cache', 'archives', 'partial'), { recursive: true })
  const config = await configureApt(join(draft, 'apt'), suite, mirror)
  await apt(['-c', config, 'update', '-o', 'APT::Update::Error-Mode=any'])
  await apt(['-c', config, 'install', '-y', '--no-install-recommends', '--download-only', name])
  await unpackAll(join(draft, 'apt', 'cache', 'archives'), join(draft, 'root'), triplet)
  await rm(join(draft, 'apt'), { recursive: true })
  await writeFile(join(draft, 'complete'), `${name} from ${suite}\n`)
  await rename(draft, cache).catch(async (error: NodeJS.ErrnoException) => {
    // Another process was faster, and its copy is as good.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    await rm(draft, { recursive: true })
  })
}

/** @returns the path of a configuration that adds to the machine's own, which may be needed */
async function configureApt(dir: string, suite: string, mirror: string): Promise<string> {
  const sources = join(dir, 'debian.sources')
  const status = join(dir, 'status')
  const keyring = await firstReadable(KEYRINGS)
  await writeFile(
    sources,
    `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  )
  await writeFile(status, STUBS.map(stub).join('\n'))
  const config = join(dir, 'apt.conf')
  await writeFile(
    config,
    `Dir::State "${join(dir, 'state')}";
Dir::State::status "${status}";
Dir::Cache "${join(dir, 'cache')}";
Dir::Etc::sourcelist "${sources}";
Dir::Etc::sourceparts "";
Acquire::Languages "none";
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
`,
  )
  return config
}

/** Installed, as apt is told: they serve installation scripts, which we never run. */
const STUBS = [
  { name: 'systemd-standalone-sysusers', provides: 'systemd-sysusers' },
  { name: 'debconf', provides: 'debconf-2.0' },
  { name: 'adduser', provides: 'adduser-stub' },
  { name: 'init-system-helpers', provides: 'init-system-helpers-stub' },
  { name: 'sysvinit-utils', provides: 'lsb-base' },
]

function stub({ name, provides }: { readonly name: string; readonly provides: string }): string {
  return `Package: ${name}
Status: install ok installed
Architecture: all
Version: 9999
Maintainer: nobody
Provides: ${provides}
Description: stands in for a package that only installation needs
`
}

async function unpackAll(archives: string, root: string, triplet: string): Promise<void> {
  // Older releases still ship part of their files in /lib, which is /usr/lib on every system.
  await mkdir(join(root, 'usr', 'lib', triplet), { recursive: true })
  for (const folder of ['lib', 'lib64', 'bin', 'sbin']) {
    await mkdir(join(root, 'usr', folder), { recursive: true })
    await symlink(join('usr', folder), join(root, folder))
  }
  for (const file of await readdir(archives)) {
    if (!file.endsWith('.deb')) continue
    const unpack = 'set -e; dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"'
    await run('sh', ['-c', unpack, 'sh', join(archives, file), root])
  }
}

async function firstReadable(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const found = await readFile(path).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  throw new Error(`Debian's keyring is missing: install the package debian-archive-keyring`)
}

async function apt(args: readonly string[]) {
  try {
    return await run('apt-get', [...args], {
      env: { ...process.env, LC_ALL: 'C' },
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: APT_TIMEOUT_MS,
    })
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`apt-get failed: ${text.slice(0, 2000)}`, { cause })
  }
}
