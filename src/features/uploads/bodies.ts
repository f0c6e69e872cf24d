import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import { AppError } from '../../errors.js'

type Options = {
  /** How many bodies may be held at once. */
  most?: number
  mostPerUser?: number
}

/** Counts down when both the response and the work on its body have ended. */
type Place = { holders: number; leave: () => void }

/**
 * Places for bodies of megabytes: none is read before it has one, and it keeps it until the file was
 * dealt with, so that memory is bounded whatever arrives.
 */
export function createBodies({ most = 8, mostPerUser = 2 }: Options = {}) {
  const held = new Map<string, number>()
  const places = new WeakMap<FastifyRequest, Place>()
  let total = 0

  function letGo(place: Place): void {
    place.holders -= 1
    if (place.holders === 0) place.leave()
  }

  return {
    /**
     * A preHandler behind the check of the token, and before anything is counted against the user.
     * The hook throws AppError `rate_limited`, `overloaded`.
     */
    admit: (async (request: FastifyRequest, reply: FastifyReply) => {
      const user = request.user.sub
      const own = held.get(user) ?? 0
      if (own >= mostPerUser) throw new AppError('rate_limited', { retryAfter: 1 })
      if (total >= most) throw new AppError('overloaded')
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
      reply.raw.once('close', () => letGo(place))
    }) satisfies preHandlerAsyncHookHandler,

    /** Does the work of a request that was admitted, which keeps its place meanwhile. */
    async during<Result>(request: FastifyRequest, work: () => Promise<Result>): Promise<Result> {
      const place = places.get(request)
      if (!place) throw new Error('a body without a place')
      place.holders += 1
      try {
        return await work()
      } finally {
        letGo(place)
      }
    },

    get held() {
      return total
    },
  }
}

export type Bodies = ReturnType<typeof createBodies>
