import { z } from 'zod'
import { payeeOf } from '../../payouts/index.ts'
import type { Api } from '../app.ts'
import { payeeParams } from '../contract-miner.ts'
import type { ApiParts } from '../rooms.ts'
import { firstPage } from './first-page.ts'
import { addInvoiceForms } from './invoice-page.ts'
import { minerPage, unknownMinerPage } from './miner-page.ts'
import { addSettingsForms } from './settings-forms.ts'
import { STYLE } from './style.ts'

const HTML = 'text/html; charset=utf-8'
const lookup = z.strictObject({ payee: z.string().trim().min(1).max(320) })

/** Plain pages, made on the server: no script, no cookie, nothing from elsewhere. */
export function addPages(api: Api, parts: ApiParts): void {
  const hide = true
  api.get('/', { schema: { hide } }, async (_request, reply) =>
    reply.type(HTML).send(await firstPage(parts)),
  )
  api.get('/miner', { schema: { hide, querystring: lookup } }, async ({ query }, reply) =>
    reply.redirect(`/miner/${encodeURIComponent(query.payee)}`),
  )
  api.get('/miner/:payee', { schema: { hide, params: payeeParams } }, async ({ params }, reply) => {
    const payee = await payeeOf(parts.db, params.payee)
    if (payee === null) {
      return reply.code(404).type(HTML).send(unknownMinerPage(parts, params.payee))
    }
    return reply.type(HTML).send(await minerPage(parts, payee))
  })
  addSettingsForms(api, parts)
  addInvoiceForms(api, parts)
  api.get('/style.css', { schema: { hide } }, async (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'max-age=300').send(STYLE),
  )
}
