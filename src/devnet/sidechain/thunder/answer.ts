import { METHOD_NOT_FOUND, type RpcCall, type RpcOutcome } from '../json-rpc.ts'
import { METHODS, type MethodGroup, THUNDER_VERSIONS, type ThunderVersion } from './methods.ts'
import type { ThunderNode } from './node.ts'

/** What a server answers for: both of a node's addresses have `openapi_schema`. */
export type Surface = {
  readonly version: ThunderVersion
  readonly groups: readonly MethodGroup[]
}

/** Where a node has one address only. */
export const ALL_GROUPS: readonly MethodGroup[] = ['node', 'private', 'wallet']
export const PUBLIC_GROUPS: readonly MethodGroup[] = ['node']
export const PRIVATE_GROUPS: readonly MethodGroup[] = ['private', 'wallet']

/** Whose schema says a name that the node does not answer to. */
const MISNAMED: ReadonlyMap<string, string> = new Map([
  ['sidechain_wealth', 'sidechain_wealth_sats'],
])

/** Answers one call; `stop` is the server's own to do. */
export async function answerCall(
  node: ThunderNode,
  surface: Surface,
  { method, params }: RpcCall,
): Promise<RpcOutcome> {
  if (method === 'openapi_schema') return { kind: 'result', value: schemaOf(surface) }
  const found = methodsOf(surface).find(({ name }) => name === method)
  if (found === undefined) return { kind: 'error', error: METHOD_NOT_FOUND }
  return found.run(node, params)
}

/** Whether the call ends the process. */
export function isStop({ groups }: Surface, { method }: RpcCall): boolean {
  return method === 'stop' && groups.includes('private')
}

function methodsOf({ version, groups }: Surface) {
  const at = THUNDER_VERSIONS.indexOf(version)
  return METHODS.filter(({ group, from, until }) => {
    const isKnown = THUNDER_VERSIONS.indexOf(from) <= at
    const isGone = until !== undefined && THUNDER_VERSIONS.indexOf(until) < at
    return groups.includes(group) && isKnown && !isGone
  })
}

/** The node's OpenAPI document with the names of its calls, and no more of it. */
function schemaOf(surface: Surface): object {
  const names = methodsOf(surface).map(({ name }) => MISNAMED.get(name) ?? name)
  const more = surface.groups.includes('private') ? ['openapi_schema', 'stop'] : ['openapi_schema']
  const all = [...names, ...more].sort()
  const paths = Object.fromEntries(all.map(name => [name, { post: { operationId: name } }]))
  return { openapi: '3.1.0', info: { title: 'simulated Thunder node', version: '' }, paths }
}
