import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The bytes of a public document, with their strong ETag (RFC 9110 §8.8.3). */
export type Document = { bytes: Buffer; etag: string; type: string }

export function createDocument(text: string, type = 'application/json; charset=utf-8'): Document {
  const bytes = Buffer.from(text)
  return { bytes, type, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
}

/** Returns a function that creates documents and reuses the last one while the text stays the same. */
export function createDocumentCache(): (text: string) => Document {
  let last: { text: string; document: Document } | undefined
  return (text) => {
    if (last?.text !== text) last = { text, document: createDocument(text) }
    return last.document
  }
}

/** Sends a document, or 304 if the client has it already. `maxAge` is in seconds. */
export function sendDocument(
  request: FastifyRequest,
  reply: FastifyReply,
  { bytes, etag, type }: Document,
  maxAge: number,
): FastifyReply {
  reply.headers({ etag, 'cache-control': `public, max-age=${String(maxAge)}` })
  if (matchesEtag(request, etag)) return reply.code(304).send()
  return reply.type(type).send(bytes)
}

/** Whether If-None-Match holds this ETag. The comparison is weak (RFC 9110 §13.1.2). */
export function matchesEtag({ headers }: FastifyRequest, etag: string): boolean {
  const sent = headers['if-none-match']
  if (sent === undefined) return false
  return (
    sent.trim() === '*' || sent.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  )
}
