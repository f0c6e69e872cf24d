import type { FastifyReply } from 'fastify'

// A spreadsheet reads a cell that begins like this as a formula, also after spaces, and reads the wide forms of
// the signs in the same way (OWASP, CSV Injection). It may also split a cell at a semicolon, tab or line break.
const formula = /(^|[;\t\r\n])([^\S;\t\r\n]*)(?=[=+\-@＝＋－＠])/g

/** Writes rows as CSV with a header line (RFC 4180). */
export function toCsv(columns: readonly string[], rows: readonly object[]): string {
  const values = rows.map((row) => columns.map((name) => (row as Record<string, unknown>)[name]))
  return [columns, ...values].map((cells) => `${cells.map(toCell).join(',')}\r\n`).join('')
}

function toCell(value: unknown): string {
  const text = toText(value)
  const guarded = text.replace(formula, "$1$2'")
  return /[",;\t\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}

/** A list has commas between its entries, as on the command line. Any other object is JSON. */
function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(String).join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Sends CSV as a file for download. */
export function sendCsv(reply: FastifyReply, filename: string, text: string): FastifyReply {
  return reply
    .header('content-disposition', `attachment; filename="${filename}"`)
    .type('text/csv; charset=utf-8')
    .send(text)
}
