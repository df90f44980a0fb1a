/**
 * A name as servers on the Internet have it: two labels at least, the last one not of digits alone,
 * so that no spelling of an address is one. Source: RFC 1035, 2.3.1; RFC 3696, 2.
 */
const DOMAIN =
  /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** Longer ones are cut by some servers. */
const URL_CHARS_MAX = 2000

/** @param text in lower case */
export function isDomain(text: string): boolean {
  return DOMAIN.test(text)
}

/** Why a stranger's URL is not asked for, or null. */
export function urlComplaint(text: string): string | null {
  if (text.length > URL_CHARS_MAX) return 'the URL is too long'
  const url = URL.parse(text)
  if (url === null) return 'the URL is none'
  if (url.protocol !== 'https:') return 'the URL is not one of HTTPS'
  if (url.username !== '' || url.password !== '') return 'the URL has a login in it'
  if (url.port !== '') return 'the URL names a port'
  // The parser has folded every spelling of an address to one, which is no name.
  return isDomain(url.hostname) ? null : 'the URL names no server on the Internet'
}
