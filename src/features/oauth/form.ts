import type { FastifyInstance, FastifyRequest } from 'fastify'
import { invalidField } from '../../errors.js'
import { requireUtf8 } from '../../http/json.js'

const type = 'application/x-www-form-urlencoded'
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const consumes = [type]

/** Makes forms the only bodies that a scope reads. */
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
 * The parameters of a request: each once, and none without a value (RFC 6749 §3.1, §3.2). What two
 * parsers could read in two ways is refused.
 * @throws AppError `validation_failed`
 */
export function parseForm(body: Buffer): Record<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of decode(body)) {
    if (parameters.has(name)) throw invalidField(name.slice(0, 100), 'is there twice')
    if (isOdd(name) || isOdd(value)) throw invalidField('body', 'is not valid text')
    parameters.set(name, value)
  }
  return Object.fromEntries([...parameters].filter(([, value]) => value !== ''))
}

function decode(body: Buffer): URLSearchParams {
  try {
    const text = utf8.decode(body)
    // Without the ampersand a question mark in front would be dropped.
    if (!/%(?![0-9a-f]{2})/i.test(text)) return new URLSearchParams(`&${text}`)
  } catch {
    // said below
  }
  throw invalidField('body', 'is not a form')
}

/** A replacement character stands for bytes that were no text. */
const isOdd = (text: string) => text.includes('\0') || text.includes('\ufffd')
