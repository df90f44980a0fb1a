import { type Command, CommandError, orExplain } from './command.ts'

/** How the signer's verbs are called. */
export const SIGNER_HELP = `signer --config FILE
signer keygen --network NAME --out FILE [--thunder COUNT]
signer public --network NAME --seed FILE [--thunder COUNT]
signer init --config FILE
signer status --config POOL_FILE
signer confirm --signer POSITION:HASH --pool POSITION:HASH --key FILE --out ACT_FILE
signer relay --act ACT_FILE --config POOL_FILE`

const keys = () => import('./signer-keys.ts')
const heads = () => import('./signer-heads.ts')

/**
 * Each verb loads what it needs: a process that holds keys has none of the pool's program in it, nor
 * a client of its database. `test/architecture.test.ts` sees to that.
 */
const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  keygen: async () => (await keys()).runKeygen,
  public: async () => (await keys()).runPublic,
  init: async () => (await keys()).runInit,
  status: async () => (await heads()).runStatus,
  confirm: async () => (await heads()).runConfirm,
  relay: async () => (await heads()).runRelay,
}

/** The one program that can spend, on a host of its own, and what an operator does about it. */
export const signerCommand: Command = args =>
  orExplain(async () => {
    const [name = ''] = args
    if (name.startsWith('--')) return (await import('./signer-run.ts')).runSigner(args)
    const load = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (!load) throw new CommandError(SIGNER_HELP)
    const verb = await load()
    return verb(args.slice(1))
  })
