import { z } from 'zod'
import { connectNode, type NodeRpc } from '../lib/nodes/bitcoin-core-client.ts'
import { CommandError, parseOptions, say } from './command.ts'
import { parseNetwork, readDescriptorFile } from './descriptor-file.ts'
import { requireConfig } from './pool-config.ts'
import { expectWords, need } from './treasury-options.ts'

/** Scripts that the node watches ahead of the last one used. */
const RANGE = 1000
const descriptorSchema = z.object({ descriptor: z.string() })
const importedSchema = z.array(
  z.object({ success: z.boolean(), error: z.object({ message: z.string() }).optional() }),
)

/** Makes the node's watch-only wallet of a signer's descriptor: it knows coins, and no key. */
export async function runWatch(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['config', 'wallet', 'descriptor'])
  expectWords(words, 0)
  const config = requireConfig(options.config)
  const wallet = need(options.wallet, '--wallet NAME')
  const path = need(options.descriptor, '--descriptor FILE')
  const { text } = await readDescriptorFile(path, config.network)
  await watchDescriptor(connectNode(config.node), wallet, text)
  say(`${wallet} watches ${text}`)
  return 0
}

/**
 * Prints the first address of a wallet, worked out here from its descriptor: what the pool's
 * coinbases pay is right when each holder of a key sees the same address on a machine of their own.
 */
export async function runAddress(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['network', 'descriptor'])
  expectWords(words, 0)
  const network = parseNetwork(options.network)
  const path = need(options.descriptor, '--descriptor FILE')
  const descriptor = await readDescriptorFile(path, network)
  say(descriptor.at({ chain: 0, index: 0 }).address)
  return 0
}

/**
 * Makes a watch-only wallet that the node loads whenever it starts. Coins that were paid to the
 * descriptor before are not looked for.
 *
 * @param descriptor of two chains, as `<0;1>/*`. Each is imported by itself: of one with two, the
 *   node's `getdescriptorinfo` gives the first only, and a wallet made from that has no change.
 */
export async function watchDescriptor(
  { call }: NodeRpc,
  wallet: string,
  descriptor: string,
): Promise<void> {
  const bare = descriptor.replace(/#.*$/, '')
  await call('createwallet', [wallet, true, true, '', false, true, true])
  const requests = await Promise.all(
    ['0', '1'].map(async chain => {
      const info = await call('getdescriptorinfo', [bare.replaceAll('<0;1>', chain)])
      const { descriptor: desc } = descriptorSchema.parse(info)
      return { desc, timestamp: 'now', active: true, internal: chain === '1', range: [0, RANGE] }
    }),
  )
  const imported = importedSchema.parse(await call('importdescriptors', [requests], { wallet }))
  const failed = imported.find(({ success }) => !success)
  if (failed) throw new CommandError(`the node refused: ${failed.error?.message ?? 'no reason'}`)
}
