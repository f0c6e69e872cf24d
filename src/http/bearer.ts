import { bearerOf } from '@gatehouse/verify/protocol'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'

/**
 * The token of the Authorization header, or undefined if the request has no such header.
 * @throws AppError `invalid_token` if the header is repeated or its scheme is not Bearer
 */
export function readBearer({ headers, raw }: FastifyRequest): string | undefined {
  const token = bearerOf(headers.authorization, raw.rawHeaders)
  if (token === '') throw new AppError('invalid_token')
  return token
}
