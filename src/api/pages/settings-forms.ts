import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { PayeeReport } from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import { payeeParams } from '../contract-miner.ts'
import { Problem, problemOf } from '../errors.ts'
import { settingsBody, wishesBody } from '../payout-contract.ts'
import type { ApiParts } from '../rooms.ts'
import { changeWith, settings, textToSign } from '../routes/miner-settings.ts'
import { requirePayee } from '../routes/miners.ts'
import { PROOF_RATE } from '../routes/proofs.ts'
import {
  type FormPage,
  pageOf,
  refusedPage,
  type ShownSettings,
  settingsPage,
  signPage,
} from './settings-page.ts'

const HTML = 'text/html; charset=utf-8'
/** What a form says: more fields than a payee may name rails are nobody's form. */
const FIELDS_MAX = 20
export const form = z
  .record(z.string().max(60), z.string().max(4500))
  .refine(fields => Object.keys(fields).length <= FIELDS_MAX, 'too many fields')

/**
 * Settings changed by hand, without a script: a form leads to the text, and the text to a form that
 * takes its signature. What is wished travels in the page, so that the server keeps nothing of it.
 */
export function addSettingsForms(api: Api, parts: ApiParts): void {
  api.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  const hide = true
  const at = '/miner/:payee/settings'
  api.get(at, { schema: { hide, params: payeeParams } }, async ({ params }, reply) =>
    answer(parts, { text: params.payee, from: 'settings' }, reply, payee =>
      settingsPage(parts, payee),
    ),
  )
  const sign = { hide, params: payeeParams, querystring: form }
  api.get(`${at}/sign`, { schema: sign }, async ({ params, query }, reply) =>
    answer(parts, { text: params.payee, from: 'settings' }, reply, async payee => {
      const now = await settings(parts, payee)
      const shown = wishesFrom(query, now)
      const wishes = wishesBody.safeParse(shown)
      if (!wishes.success)
        throw new Problem(
          'invalid-request',
          wishes.error.issues.map(each => each.message).join('; '),
        )
      const text = await textToSign(parts, payee, wishes.data)
      return signPage(parts, payee, {
        text,
        change: JSON.stringify({ number: now.nextNumber, ...shown }),
        ...{ to: 'settings', button: 'Change the settings' },
      })
    }),
  )
  const post = { schema: { hide, params: payeeParams, body: form }, config: PROOF_RATE }
  api.post(at, post, async (request, reply) =>
    answer(
      parts,
      { text: request.params.payee, from: 'settings' },
      reply,
      async ({ destination }) => {
        const given = settingsBody.safeParse(signedFrom(request.body))
        if (!given.success) throw new Problem('invalid-request', 'the form was changed on its way')
        await changeWith(parts, request, { payee: destination, ...given.data })
        reply.redirect(pageOf(destination), 303)
        return null
      },
    ),
  )
}

/** A page, or another page that says why not. */
export async function answer(
  parts: ApiParts,
  { text, from }: { readonly text: string; readonly from: FormPage },
  reply: FastifyReply,
  page: (payee: PayeeReport) => Promise<string | null>,
) {
  try {
    const shown = await page(await requirePayee(parts, text))
    return shown === null ? reply : reply.type(HTML).send(shown)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const problem = problemOf(error)
    return reply
      .code(problem.status)
      .type(HTML)
      .send(refusedPage(parts, { payee: text, from }, problem))
  }
}

/** The rails stay those of the settings in force, in their order; the API changes that too. */
function wishesFrom(
  fields: Readonly<Record<string, string>>,
  { rails }: ShownSettings,
): ShownSettings {
  const field = (name: string) => (fields[name] ?? '').trim()
  return {
    rails: rails.map(({ rail }) => ({
      rail,
      destination: field(`to.${rail}`) || null,
      minimumSats: field(`from.${rail}`) || '0',
    })),
    paused: field('paused') === 'yes',
    feeRateMaxSatPerKvb: field('feeRateMax') || null,
  }
}

const changed = z.record(z.string(), z.json())

/** What a page of ours had in it, with the signature that was given; null for anything else. */
export function signedFrom(fields: Readonly<Record<string, string>>): unknown {
  try {
    const change = changed.parse(JSON.parse(fields['change'] ?? ''))
    const [publicKey, signature] = [fields['publicKey']?.trim(), fields['signature']?.trim()]
    const proof =
      publicKey === undefined
        ? { kind: 'signature', signature }
        : { kind: 'thunder', publicKey, signature }
    return { ...change, proof }
  } catch {
    // No page of ours wrote this; whoever did is told so.
    return null
  }
}
