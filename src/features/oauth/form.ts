import type { FastifyInstance, FastifyRequest } from 'fastify'
import { invalidField } from '../../errors.js'
import { requireUtf8 } from '../../http/json.js'

const type = 'application/x-www-form-urlencoded'
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const consumes = [type]

/** Makes the routes of this plugin accept form bodies only. */
export function acceptForms(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    type,
    { parseAs: 'buffer' },
    async ({ headers }: FastifyRequest, body: Buffer) => {
      requireUtf8(headers)
      return parseForm(body)
    },
  )
}

/**
 * Parses the parameters of a form. Parameters without a value are left out (RFC 6749 §3.1, §3.2). A
 * repeated parameter is refused, and so is text that parsers may read differently.
 * @throws AppError `validation_failed`
 */
export function parseForm(body: Buffer): Record<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of decode(body)) {
    if (parameters.has(name)) throw invalidField(name.slice(0, 100), 'must not be repeated')
    if (isInvalidText(name) || isInvalidText(value))
      throw invalidField('body', 'must be valid UTF-8 without NUL')
    parameters.set(name, value)
  }
  return Object.fromEntries([...parameters].filter(([, value]) => value !== ''))
}

function decode(body: Buffer): URLSearchParams {
  try {
    const text = utf8.decode(body)
    // URLSearchParams drops a leading question mark. The ampersand prevents that.
    if (!/%(?![0-9a-f]{2})/i.test(text)) return new URLSearchParams(`&${text}`)
  } catch {
    // not UTF-8
  }
  throw invalidField('body', 'must be a valid form')
}

/** A replacement character stands for percent-encoded bytes that are not UTF-8. */
const isInvalidText = (text: string) => text.includes('\0') || text.includes('\ufffd')
