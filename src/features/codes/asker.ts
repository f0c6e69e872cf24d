import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerOf, type Caller, type Marks } from '../../http/caller.js'
import { networkOf } from '../limits/network.js'

/** Where a message was requested: the network, the hash of the `asker` cookie and the device mark. */
export type Asker = { network: string; cookie: string | null; device: string | null }

/** The part of SessionCookies that identifies an asker. */
export type AskerCookies = {
  read: (request: FastifyRequest, name: 'device') => string | undefined
  readAsker: (request: FastifyRequest) => string | undefined
  setAsker: (request: FastifyRequest, reply: FastifyReply) => string
}

export function askerOf({ address, marks = {} }: Caller): Asker {
  const { asker, device } = marks
  const cookie = asker === undefined ? null : createHash('sha256').update(asker).digest('base64url')
  return { network: networkOf(address), cookie, device: device?.slice(0, 100) ?? null }
}

/** The caller of a request for a message. The reply sets the `asker` cookie. */
export function askingCaller(
  cookies: AskerCookies,
  request: FastifyRequest,
  reply: FastifyReply,
): Caller {
  return { ...callerOf(request), marks: askingMarks(cookies, request, reply) }
}

/** The marks of a request for a message. The reply sets the `asker` cookie. */
export const askingMarks = (
  cookies: AskerCookies,
  request: FastifyRequest,
  reply: FastifyReply,
): Marks => ({
  asker: cookies.setAsker(request, reply),
  device: cookies.read(request, 'device'),
})

/** The caller of a request that sends a code. */
export const typingCaller = (cookies: AskerCookies, request: FastifyRequest): Caller => ({
  ...callerOf(request),
  marks: { asker: cookies.readAsker(request) },
})
