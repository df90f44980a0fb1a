import type { Network } from '../lib/bitcoin/network.ts'
import { toHex } from '../lib/bytes.ts'
import { systemRandom } from '../lib/random.ts'
import { systemClock } from '../lib/time.ts'
import { accountDescriptors, cosignerKey, createMemory, thunderWallet } from '../signer/index.ts'
import { CommandError, needOption, parseOptions, say } from './command.ts'
import { parseNetwork } from './descriptor-file.ts'
import { readSecret, writeSecret } from './secret-file.ts'
import { explainMemory, requireSignerConfig } from './signer-run.ts'

/** Makes a seed and prints the descriptors that a watch-only wallet is made from. */
export async function runKeygen(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['network', 'out', 'thunder'])
  const network = parseNetwork(options.network)
  const seed = systemRandom.bytes(32)
  await writeSecret(needOption(options.out, '--out FILE'), seed)
  return sayPublic(seed, network, options.thunder)
}

/** Prints the same of a seed that is there: one that came back from paper must give the same keys. */
export async function runPublic(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['network', 'seed', 'thunder'])
  const network = parseNetwork(options.network)
  return sayPublic(
    await readSecret(needOption(options.seed, '--seed FILE')),
    network,
    options.thunder,
  )
}

function sayPublic(seed: Uint8Array, network: Network, thunder = '1'): number {
  const count = /^[1-9]\d?$/.test(thunder) ? Number(thunder) : 0
  if (count === 0) throw new CommandError('--thunder is a number of addresses from 1 to 99')
  const { wpkh, tr } = accountDescriptors(seed, network)
  say(wpkh)
  say(tr)
  say(`as one key of a multisig: ${cosignerKey(seed, network)}`)
  for (const address of thunderWallet(seed, count).keys()) say(`on Thunder: ${address}`)
  return 0
}

/** Makes the memory of a signer that has never signed. */
export async function runInit(args: readonly string[]): Promise<number> {
  const { options } = parseOptions(args, ['config'])
  const { memory, network } = await requireSignerConfig(options.config)
  const name = toHex(systemRandom.bytes(32))
  await createMemory(memory, { network, name, clock: systemClock }).catch(explainMemory)
  say(`${memory} is a fresh memory for ${network}; never make one for a pool that has had another`)
  return 0
}
