import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The client that attests the address of its visitor, if one does. */
    site: string | undefined
    /** The SHA-256 that it attests of the body, in base64. */
    signedDigest: string | undefined
  }
}

/** The origin of a request, for the audit log and the rate limits. */
export type Caller = {
  /** The user and session of the access token; null without a token. */
  user_id: string | null
  session_id: string | null
  address: string
  user_agent: string | null
  request_id: string | null
  /** The client that attests the address. */
  site?: string
  /** Cookies of a browser that requests a message, enters a code, or logs in. */
  marks?: Marks
}

/** Cookie values of a browser that requests a message, enters the code of one, or logs in. */
export type Marks = {
  asker?: string | undefined
  device?: string | undefined
  /** The secret of a trusted device. */
  trusted?: string | undefined
  /** Binds the challenge of a login to this browser. */
  binding?: string | undefined
  isBrowser?: boolean
}

/**
 * A caller with an access token. For the token of a client, both ids are the client's. For an API key, and a token
 * that was issued for one, the session is the key.
 */
export type Actor = Caller & { user_id: string; session_id: string }

export function callerOf({ headers, ip, id, user, site }: FastifyRequest): Caller {
  // On public routes `user` is not set, though its type says that it is.
  const claims = user as typeof user | null | undefined
  return {
    user_id: claims?.sub ?? null,
    session_id: claims?.sid ?? null,
    address: ip,
    user_agent: headers['user-agent']?.slice(0, 255) ?? null,
    request_id: id,
    ...(site !== undefined && { site }),
  }
}

/** The caller of a route that requires an access token. @throws AppError `invalid_token` without one */
export function actorOf(request: FastifyRequest): Actor {
  const caller = callerOf(request)
  if (!isActor(caller)) throw new AppError('invalid_token')
  return caller
}

export const isActor = (caller: Caller): caller is Actor =>
  caller.user_id !== null && caller.session_id !== null

const anonymous = { user_id: null, session_id: null, user_agent: null, request_id: null }

/** The caller of every command of `gatehouse`. */
export const operator: Caller = { ...anonymous, address: 'cli' }

/** The caller of scheduled work of the service itself. */
export const scheduler: Caller = { ...anonymous, address: 'schedule' }
