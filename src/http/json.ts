import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { AppError } from '../errors.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The JSON parser of all routes. It rejects JSON that two parsers could read differently: duplicate keys,
 * another charset than UTF-8, lone surrogates, NUL and `__proto__` (RFC 8259 §4, §8).
 */
export const json = fp(
  async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      async ({ headers }: FastifyRequest, body: Buffer) => {
        requireUtf8(headers)
        return body.length === 0 ? undefined : parseStrictJson(body)
      },
    )
  },
  { name: 'json' },
)

/** @throws AppError `unsupported_media_type` if the body is compressed or not UTF-8 */
export function requireUtf8(headers: FastifyRequest['headers']): void {
  const { 'content-type': type, 'content-encoding': coding = 'identity' } = headers
  if (!isUtf8(type) || coding.toLowerCase() !== 'identity') {
    throw new AppError('unsupported_media_type')
  }
}

function isUtf8(contentType = ''): boolean {
  const charsets = contentType.matchAll(/;\s*charset\s*=\s*"?([^";\s]*)/gi)
  return [...charsets].every(([, charset = '']) => /^utf-?8$/i.test(charset))
}

/** @throws AppError `invalid_json` */
export function parseStrictJson(body: Buffer): unknown {
  let text: string
  let value: unknown
  try {
    text = utf8.decode(body)
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_json', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('body', 'must be an object')
  }
  if (countKeys(value, '', 0) !== countWrittenKeys(text))
    throw malformed('body', 'has a duplicate key')
  return value
}

const maxDepth = 8

/** Counts the keys in a value. Throws if a key or text in it is not allowed in any field. */
function countKeys(value: unknown, path: string, depth: number): number {
  if (typeof value === 'string') requireText(value, path)
  if (typeof value !== 'object' || value === null) return 0
  if (depth > maxDepth) throw malformed(path, 'is nested too deeply')
  const isArray = Array.isArray(value)
  let count = 0
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__') throw malformed('body', 'has a key that is not allowed')
    requireText(key, 'body')
    count += (isArray ? 0 : 1) + countKeys(child, path ? `${path}.${key}` : key, depth + 1)
  }
  return count
}

function requireText(text: string, path: string): void {
  if (!text.isWellFormed() || text.includes('\0')) throw malformed(path, 'is not valid text')
}

/**
 * Counts the keys in the text, where duplicates still count. In valid JSON every quote belongs to a string,
 * and only a key is followed by a colon.
 */
function countWrittenKeys(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:)?/g)) if (colon) count += 1
  return count
}

const malformed = (field: string, message: string) =>
  new AppError('invalid_json', { fields: [{ field: field.slice(0, 100), message }] })
