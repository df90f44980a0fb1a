import { readFile, writeFile } from 'node:fs/promises'
import type { Psbt } from 'bitcoinjs-lib'
import type { CoinManifest } from '../approval/index.ts'
import { DRIVECHAIN_OPCODES } from '../lib/bitcoin/drivechain.ts'
import { parseThunderAddress, THUNDER_SLOT } from '../lib/thunder/address.ts'
import { checkTransaction, type DepositRules, walletKey } from '../signer/index.ts'
import { CommandError, parseOptions, say, sayPlain } from './command.ts'
import { parseNetwork, readDescriptorFile } from './descriptor-file.ts'
import { readSecret } from './secret-file.ts'
import { askOnTerminal } from './terminal.ts'
import { printBatch, readBatch } from './treasury-acts.ts'
import { type TreasuryClient, treasuryClient } from './treasury-client.ts'
import {
  expectWords,
  need,
  parseDigits,
  readToken,
  takeYes,
  type Verb,
} from './treasury-options.ts'

/** Source: BIP 174, "magic bytes". */
const PSBT_MAGIC = Buffer.from('psbt\xff', 'latin1')
/** A larger file is no PSBT of ours. */
const PSBT_BYTES_MAX = 4_000_000

export const PSBT_HELP = `treasury psbt BATCH --out FILE --api URL --token-file FILE
treasury upload BATCH --psbt FILE --api URL --token-file FILE
treasury sign BATCH --seed FILE --descriptor FILE --api URL --token-file FILE
  [--deposits-to THUNDER_ADDRESS --drivechain-opcode nop5|nop8] [--yes]`

/** What a co-signer does: with a wallet of any make, or with a seed of our own. */
export const PSBT_VERBS: Readonly<Record<string, Verb>> = {
  psbt: runPsbt,
  upload: runUpload,
  sign: runSign,
}

async function runPsbt(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['out', 'api', 'token-file'])
  expectWords(words, 1)
  const out = need(options.out, '--out FILE')
  const reply = await (await clientOf(options)).psbt(parseDigits(words[0], 'a batch'))
  if (reply.kind === 'refused') return refuse(reply.reason)
  const { version, txid, signatures, psbt } = reply.value
  await writeFile(out, psbt, { flag: 'wx' }).catch((error: Error) => {
    throw new CommandError(`${out} cannot be written: ${error.message}`)
  })
  sayPlain(`version ${version}, ${txid}, signed in full by ${signatures} so far, is in ${out}`)
  return 0
}

async function runUpload(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptions(args, ['psbt', 'api', 'token-file'])
  expectWords(words, 1)
  const psbt = await readPsbt(need(options.psbt, '--psbt FILE'))
  return bring(await clientOf(options), parseDigits(words[0], 'a batch'), psbt)
}

/** Checks what it signs as the signer host does: nothing that the API says is believed. */
async function runSign(args: readonly string[]): Promise<number> {
  const { isSure, rest } = takeYes(args)
  const of = ['seed', 'descriptor', 'deposits-to', 'drivechain-opcode'] as const
  const names = [...of, 'api', 'token-file'] as const
  const { options, words } = parseOptions(rest, names)
  expectWords(words, 1)
  const number = parseDigits(words[0], 'a batch')
  const seed = await readSecret(need(options.seed, '--seed FILE'))
  const path = need(options.descriptor, '--descriptor FILE')
  const client = await clientOf(options)
  const batch = await readBatch(client, number)
  if (typeof batch === 'string') return refuse(batch)
  const { manifest } = batch
  if (manifest.version !== 2) return refuse('no transaction is signed for a batch of payments')
  const reply = await client.psbt(number)
  if (reply.kind === 'refused') return refuse(reply.reason)
  const wallet = await openWallet(path, manifest, seed)
  const deposits = parseDeposits(options['deposits-to'], options['drivechain-opcode'])
  const { psbt } = reply.value
  const checked = checkTransaction(psbt, manifest, wallet.descriptor, deposits)
  if (checked.kind === 'refused') return refuse(`not signed: ${checked.reason}`)
  printBatch(batch)
  say(`  signs     ${checked.txid}, which pays that and nothing else`)
  const question = `sign batch ${number} on ${manifest.network}?`
  if (!isSure && !(await askOnTerminal(question))) return refuse('nothing was signed')
  return bring(client, number, signed(checked.psbt, wallet.key))
}

/** Where a deposit may go, by the co-signer's own word. */
function parseDeposits(
  address: string | undefined,
  drivechainOpcode = 'nop5',
): DepositRules | null {
  if (address === undefined) return null
  const parsed = parseThunderAddress(address)
  if (parsed.kind !== 'thunder') throw new CommandError('--deposits-to is a Thunder address')
  if (drivechainOpcode !== 'nop5' && drivechainOpcode !== 'nop8')
    throw new CommandError('--drivechain-opcode is nop5 or nop8')
  const opcode = DRIVECHAIN_OPCODES[drivechainOpcode]
  return { slot: THUNDER_SLOT, opcode, addresses: new Set([parsed.address]) }
}

async function openWallet(path: string, { network }: CoinManifest, seed: Uint8Array) {
  const descriptor = await readDescriptorFile(path, parseNetwork(network))
  const key = walletKey(descriptor, seed)
  if (key === null) throw new CommandError('the seed gives no key of that descriptor')
  return { descriptor, key }
}

function signed(psbt: Psbt, key: { readonly sign: (psbt: Psbt) => void }): Uint8Array {
  key.sign(psbt)
  return psbt.toBuffer()
}

async function bring(client: TreasuryClient, number: string, psbt: Uint8Array): Promise<number> {
  const reply = await client.bringPsbt(number, psbt)
  if (reply.kind === 'refused') return refuse(`the pool refused: ${reply.reason}`)
  sayPlain(`the pool took it; signed in full by ${reply.value.signatures} so far`)
  return 0
}

/** Wallets write either the bytes or their base64. */
async function readPsbt(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch(() => {
    throw new CommandError(`there is no file ${path}`)
  })
  if (bytes.length > PSBT_BYTES_MAX) throw new CommandError(`${path} is too large for a PSBT`)
  const raw = isPsbt(bytes) ? bytes : Buffer.from(bytes.toString('latin1').trim(), 'base64')
  if (!isPsbt(raw)) throw new CommandError(`${path} holds no PSBT`)
  return new Uint8Array(raw)
}

function isPsbt(bytes: Buffer): boolean {
  return bytes.subarray(0, PSBT_MAGIC.length).equals(PSBT_MAGIC)
}

async function clientOf(
  options: Partial<Record<'api' | 'token-file', string>>,
): Promise<TreasuryClient> {
  const token = await readToken(need(options['token-file'], '--token-file FILE'))
  return treasuryClient(need(options.api, '--api URL'), token)
}

function refuse(reason: string): number {
  sayPlain(reason)
  return 1
}
