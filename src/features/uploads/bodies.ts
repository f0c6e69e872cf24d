import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import { AppError } from '../../errors.js'

type Options = {
  /** The most bodies in memory at once. */
  max?: number
  maxPerUser?: number
}

/** The response and the work on the body each hold the place. It is free when both have ended. */
type Place = { holders: number; leave: () => void }

/**
 * Bounds the memory for upload bodies. A body needs a place before it is read, and keeps the place until its
 * file is processed.
 */
export function createBodies({ max = 8, maxPerUser = 2 }: Options = {}) {
  const held = new Map<string, number>()
  const places = new WeakMap<FastifyRequest, Place>()
  let total = 0

  function release(place: Place): void {
    place.holders -= 1
    if (place.holders === 0) place.leave()
  }

  return {
    /**
     * A preHandler that runs after authentication, and before the rate limits of the user.
     * It throws AppError `rate_limited` or `overloaded`.
     */
    admit: (async (request: FastifyRequest, reply: FastifyReply) => {
      const user = request.user.sub
      const own = held.get(user) ?? 0
      if (own >= maxPerUser) throw new AppError('rate_limited', { retryAfter: 1 })
      if (total >= max) throw new AppError('overloaded')
      total += 1
      held.set(user, own + 1)
      const leave = () => {
        total -= 1
        const left = (held.get(user) ?? 1) - 1
        if (left > 0) held.set(user, left)
        else held.delete(user)
      }
      const place = { holders: 1, leave }
      places.set(request, place)
      reply.raw.once('close', () => release(place))
    }) satisfies preHandlerAsyncHookHandler,

    /** Runs work for an admitted request. The request keeps its place until the work ends. */
    async during<Result>(request: FastifyRequest, work: () => Promise<Result>): Promise<Result> {
      const place = places.get(request)
      if (!place) throw new Error('the request was not admitted')
      place.holders += 1
      try {
        return await work()
      } finally {
        release(place)
      }
    },

    get held() {
      return total
    },
  }
}

export type Bodies = ReturnType<typeof createBodies>
