import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'

/** Who asks for something, and from where: what the audit log and the limits want to know. */
export type Caller = {
  /** The user and session of the access token, where there is one. */
  user_id: string | null
  session_id: string | null
  address: string
  user_agent: string | null
  request_id: string | null
  /** Cookies by which the sender of a message's request is recognised. */
  marks?: Marks
}

/** What a browser sends that asks for a message, or types the code in it. */
export type Marks = { asker?: string | undefined; device?: string | undefined }

/** A caller with an access token: its user and session, or the client that both stand for. */
export type Actor = Caller & { user_id: string; session_id: string }

export function callerOf({ headers, ip, id, user }: FastifyRequest): Caller {
  // Public routes have no user, whatever the type says.
  const claims = user as typeof user | null | undefined
  return {
    user_id: claims?.sub ?? null,
    session_id: claims?.sid ?? null,
    address: ip,
    user_agent: headers['user-agent']?.slice(0, 255) ?? null,
    request_id: id,
  }
}

/** The caller of a route behind the gate. @throws AppError `invalid_token` without a user */
export function actorOf(request: FastifyRequest): Actor {
  const caller = callerOf(request)
  if (!isActor(caller)) throw new AppError('invalid_token')
  return caller
}

export const isActor = (caller: Caller): caller is Actor =>
  caller.user_id !== null && caller.session_id !== null

const nobody = { user_id: null, session_id: null, user_agent: null, request_id: null }

/** The person at the command line. */
export const operator: Caller = { ...nobody, address: 'cli' }

/** The service itself, when something is due. */
export const scheduler: Caller = { ...nobody, address: 'schedule' }
