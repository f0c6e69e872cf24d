import { bearerOf } from '@gatehouse/verify/protocol'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'

/**
 * The text behind `Bearer`, or undefined without an Authorization header.
 * @throws AppError `invalid_token` when there are two, or one of another scheme
 */
export function readBearer({ headers, raw }: FastifyRequest): string | undefined {
  const token = bearerOf(headers.authorization, raw.rawHeaders)
  if (token === '') throw new AppError('invalid_token')
  return token
}
