import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Log } from '../lib/log.ts'
import { type Program, unpackFromDebian } from './apt-unpack.ts'

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../../.cache/bitcoind')

/** A real node's programs, wherever they came from. */
export type BitcoindBinary = {
  readonly bitcoind: Program
  /** Null where only the daemon was found: we never need it, but people may want it. */
  readonly bitcoinCli: Program | null
  /** The first line of `bitcoind -version`. */
  readonly version: string
  readonly source: 'BITCOIND' | 'PATH' | 'Debian unstable'
}

/**
 * Finds a Bitcoin node: the one that the environment variable BITCOIND names, else the one on
 * PATH, else on Debian the package bitcoin-knots, unpacked into `.cache/bitcoind` of the project.
 *
 * @throws Error that says what to install, where there is none
 */
export async function findBitcoind({ log }: { readonly log: Log }): Promise<BitcoindBinary> {
  const named = process.env['BITCOIND']
  if (named) {
    const bitcoind = { file: named, args: [] }
    const version = await versionOf(bitcoind)
    if (version === null) throw new Error(`BITCOIND is ${named}, which does not run`)
    return found(bitcoind, join(dirname(named), 'bitcoin-cli'), version, 'BITCOIND')
  }
  const onPath = { file: 'bitcoind', args: [] }
  const pathVersion = await versionOf(onPath)
  if (pathVersion !== null) return found(onPath, 'bitcoin-cli', pathVersion, 'PATH')

  const wanted = { name: 'bitcoin-knots', suite: 'unstable', cache: CACHE, log } as const
  const unpacked = await unpackFromDebian(wanted)
  if (unpacked === null)
    throw new Error(
      'No Bitcoin node was found, and only on Debian can one be fetched. Install Bitcoin Core or ' +
        'Bitcoin Knots (https://bitcoincore.org/en/download/) so that bitcoind is on PATH, ' +
        'or set BITCOIND to its path.',
    )
  const bitcoind = unpacked.program('usr/bin/bitcoind')
  // Unstable moves, so what was fetched is tried rather than trusted to run.
  const version = await versionOf(bitcoind)
  if (version === null)
    throw new Error(
      `The node that was fetched from Debian unstable does not run here. Remove ${CACHE} to fetch ` +
        'it again, or install Bitcoin Core or Knots and set BITCOIND to the path of bitcoind.',
    )
  const bitcoinCli = unpacked.program('usr/bin/bitcoin-cli')
  log.info({ version }, 'the Bitcoin node is from Debian unstable')
  return { bitcoind, bitcoinCli, version, source: 'Debian unstable' }
}

async function found(
  bitcoind: Program,
  cliFile: string,
  version: string,
  source: 'BITCOIND' | 'PATH',
): Promise<BitcoindBinary> {
  const cli = { file: cliFile, args: [] }
  const bitcoinCli = (await versionOf(cli)) === null ? null : cli
  return { bitcoind, bitcoinCli, version, source }
}

/** Null when it is not there or does not run. */
async function versionOf({ file, args }: Program): Promise<string | null> {
  const reply = await run(file, [...args, '-version']).catch(() => null)
  return reply?.stdout.split('\n')[0] || null
}
