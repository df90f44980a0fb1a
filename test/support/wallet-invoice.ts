import { bech32 } from 'bech32'
import { z } from 'zod'
import type { ConnectedLnd } from '../../src/devnet/connected-lnd.ts'
import { concat, fromHex, utf8 } from '../../src/lib/bytes.ts'
import { type Bolt11, parseBolt11 } from '../../src/lib/lightning/bolt11.ts'
import { paddedBytes } from '../../src/lib/lightning/bolt11-fields.ts'
import { invoiceOf } from './payee.ts'

/** Words of Bech32: the time, the header of a field, and the signature with its recovery id. */
const [TIME_WORDS, HEADER_WORDS, SIGNATURE_WORDS] = [7, 3, 104]
const CHARS_MAX = 10_000
const [HASH, SECRET, PAYEE, FINAL_CLTV] = [1, 16, 19, 24]
/** lnd gives no invoice with less. */
const FINAL_CLTV_MIN = 18
/** Where lnd has the key that its node is named by. Source: lnd, keychain.KeyFamilyNodeKey. */
const NODE_KEY = { key_family: 6, key_index: 0 }
/** Of a compact signature's first byte, before the recovery id: a compressed key's. */
const COMPRESSED = 31
const CALL_MS_MAX = 30_000

const signed = z.object({ signature: z.instanceof(Uint8Array) })

/**
 * An invoice of a wallet, written again for a node of ours: its fields in their order, with their
 * features, expiry, ways and what else stands there. Only what makes it payable is the node's own:
 * network and amount, time, hash and secret, a named payee, a final cltv below lnd's least, and the
 * signature.
 *
 * @param theirs in the wallet's words, whatever its network
 */
export async function likeWallet(
  node: ConnectedLnd,
  theirs: string,
  amountMsat: bigint,
): Promise<Bolt11> {
  const { minFinalCltvBlocks } = accepted(parseBolt11(theirs))
  const cltv = Math.max(minFinalCltvBlocks, FINAL_CLTV_MIN)
  const ours = await invoiceOf(node, amountMsat, { cltv_expiry: cltv })
  const own = new Map(cut(ours.text).fields.map(({ tag, words }) => [tag, words]))
  const { prefix, time } = cut(ours.text)
  const fields = cut(theirs).fields.map(({ tag, words }) => {
    if (tag === PAYEE) return { tag, words: bech32.toWords(fromHex(ours.payee)) }
    const isOwn =
      tag === HASH || tag === SECRET || (tag === FINAL_CLTV && cltv > minFinalCltvBlocks)
    return { tag, words: (isOwn ? own.get(tag) : undefined) ?? words }
  })
  const body = [
    ...time,
    ...fields.flatMap(({ tag, words }) => [tag, words.length >> 5, words.length & 31, ...words]),
  ]
  const text = concat(utf8(prefix), paddedBytes(body))
  const [first = 0, ...rest] = await compactSignature(node, text)
  const last = bech32.toWords([...rest, first - COMPRESSED])
  const written = accepted(parseBolt11(bech32.encode(prefix, [...body, ...last], CHARS_MAX)))
  if (written.payee !== ours.payee) throw new Error('the node did not sign it')
  return written
}

function cut(text: string) {
  const { prefix, words } = bech32.decode(text, CHARS_MAX)
  const end = words.length - SIGNATURE_WORDS
  const fields: { tag: number; words: readonly number[] }[] = []
  for (let at = TIME_WORDS; at < end; ) {
    const [tag = 0, high = 0, low = 0] = words.slice(at, at + HEADER_WORDS)
    const next = at + HEADER_WORDS + 32 * high + low
    fields.push({ tag, words: words.slice(at + HEADER_WORDS, next) })
    at = next
  }
  return { prefix, time: words.slice(0, TIME_WORDS), fields }
}

/** By the key of the node, over the SHA-256 of it; the recovery id comes first. */
async function compactSignature(node: ConnectedLnd, msg: Uint8Array): Promise<Uint8Array> {
  const request = { msg, key_loc: NODE_KEY, double_hash: false, compact_sig: true }
  const call = {
    service: 'signer',
    method: 'signMessage',
    request,
    timeoutMs: CALL_MS_MAX,
  } as const
  return (await node.connection.call(signed, call)).signature
}

function accepted(outcome: ReturnType<typeof parseBolt11>): Bolt11 {
  if (outcome.kind === 'refused') throw new Error(outcome.reason)
  return outcome.invoice
}
