import type { RawRequestDefaultExpression } from 'fastify'
import { randomUUID } from 'node:crypto'

type Request = Pick<RawRequestDefaultExpression, 'headers' | 'socket'>

/** A trusted proxy may name the request; these characters are safe in every log and header. */
const isId = /^[A-Za-z0-9_.-]{1,64}$/

/**
 * Returns a function that gives each request an id: its `X-Request-Id` if a trusted proxy sent it, else a
 * new one. A new id is a random prefix plus a counter, because ids must be unique, not unguessable.
 */
export function createRequestIds(isTrusted: (address: string) => boolean) {
  const start = randomUUID().slice(0, 24)
  let count = 0
  return (request?: Request): string => {
    const sent = request?.headers['x-request-id']
    if (typeof sent === 'string' && isId.test(sent)) {
      if (isTrusted(request?.socket.remoteAddress ?? '')) return sent
    }
    return start + (count++).toString(16).padStart(12, '0')
  }
}
