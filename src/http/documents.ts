import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A public text, with the strong ETag of its bytes (RFC 9110 §8.8.3). */
export type Document = { bytes: Buffer; etag: string }

export function createDocument(text: string): Document {
  const bytes = Buffer.from(text)
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
}

/** The same, for a text that seldom changes: as long as it does not, the document is the one of before. */
export function createDocumentOf(): (text: string) => Document {
  let last: { text: string; document: Document } | undefined
  return (text) => {
    if (last?.text !== text) last = { text, document: createDocument(text) }
    return last.document
  }
}

/** Sends a JSON document, or 304 to a client that has it. All replies share its bytes. */
export function sendDocument(
  request: FastifyRequest,
  reply: FastifyReply,
  { bytes, etag }: Document,
  maxAge: number,
): FastifyReply {
  reply.headers({ etag, 'cache-control': `public, max-age=${String(maxAge)}` })
  if (matchesEtag(request, etag)) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(bytes)
}

/** Whether a client names this ETag in If-None-Match, which compares weakly (RFC 9110 §13.1.2). */
export function matchesEtag({ headers }: FastifyRequest, etag: string): boolean {
  const sent = headers['if-none-match']
  if (sent === undefined) return false
  return (
    sent.trim() === '*' || sent.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  )
}
