import { type Command, CommandError, orExplain } from './command.ts'
import { runSigner } from './signer-run.ts'
import { runConfirm, runInit, runKeygen, runPublic, runRelay, runStatus } from './signer-verbs.ts'

/** How the signer's verbs are called. */
export const SIGNER_HELP = `signer --config FILE
signer keygen --network NAME --out FILE [--thunder COUNT]
signer public --network NAME --seed FILE [--thunder COUNT]
signer init --config FILE
signer status --config POOL_FILE
signer confirm --signer POSITION:HASH --pool POSITION:HASH --key FILE --out ACT_FILE
signer relay --act ACT_FILE --config POOL_FILE`

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  keygen: runKeygen,
  public: runPublic,
  init: runInit,
  status: runStatus,
  confirm: runConfirm,
  relay: runRelay,
}

/** The one program that can spend, on a host of its own, and what an operator does about it. */
export const signerCommand: Command = args =>
  orExplain(async () => {
    const [name = ''] = args
    if (name.startsWith('--')) return runSigner(args)
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (!verb) throw new CommandError(SIGNER_HELP)
    return verb(args.slice(1))
  })
