import { readFile } from 'node:fs/promises'
import { NETWORK_FACTS, type Network } from '../lib/bitcoin/network.ts'
import { type Descriptor, readDescriptor } from '../signer/index.ts'
import { CommandError } from './command.ts'

/**
 * Reads a wallet's descriptor, the one line of a file: it is too long to type, and a shell has its
 * own ideas of its brackets.
 *
 * @throws CommandError where there is no file, or it holds no wallet of ours
 */
export async function readDescriptorFile(path: string, network: Network): Promise<Descriptor> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
  const read = readDescriptor(text.trim(), network)
  if (read.kind === 'not ours') throw new CommandError(`${path}: ${read.reason}`)
  return read
}

/** @throws CommandError where it is no network we know */
export function parseNetwork(name: string | undefined): Network {
  if (name !== undefined && isNetwork(name)) return name
  throw new CommandError(`--network is one of ${Object.keys(NETWORK_FACTS).join(', ')}`)
}

function isNetwork(name: string): name is Network {
  return Object.hasOwn(NETWORK_FACTS, name)
}
