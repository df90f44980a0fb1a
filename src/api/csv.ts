const HEAD_OF_FORMULA = /^[=+\-@\t\r]/

/**
 * Lines of a file that spreadsheets open, each ended by CR and LF. A field that a spreadsheet would
 * take for a formula gets an apostrophe before it, since some are words of strangers.
 *
 * Source: RFC 4180; OWASP, CSV injection.
 */
export function csvLine(fields: readonly (string | number | null)[]): string {
  return `${fields.map(csvField).join(',')}\r\n`
}

function csvField(field: string | number | null): string {
  if (field === null) return ''
  if (typeof field === 'number') return String(field)
  const safe = HEAD_OF_FORMULA.test(field) ? `'${field}` : field
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
