import type { Config } from '../config.ts'
import { type SignerClient, signerClient } from '../payouts/index.ts'
import { CommandError } from './command.ts'
import { readSecret } from './secret-file.ts'

/** The signer host that the pool's configuration names; null where it names none. */
export async function signerClientOf({ signer }: Config): Promise<SignerClient | null> {
  if (!signer) return null
  const { host, port, keyFile } = signer
  return signerClient({ host, port, channelKey: await readSecret(keyFile) })
}

/** The same for a command that is about the signer host. */
export async function requireSignerClient(config: Config): Promise<SignerClient> {
  const client = await signerClientOf(config)
  if (client === null) throw new CommandError('the configuration names no signer')
  return client
}
