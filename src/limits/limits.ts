import { createHash } from 'node:crypto'
import type { FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import type { Db } from '../db/pool.js'
import { createGuesses, type Guesses } from './guesses.js'
import { createLimiter, rateLimitHeaders, type Budget, type Limiter } from './limiter.js'
import { networkOf } from './network.js'

/** What one network may do. `login`, `refresh` and `clients` count failures, the others every request. */
export type NetworkBudgets = Record<
  'login' | 'register' | 'forgot' | 'codes' | 'refresh' | 'clients',
  Budget
>

type Options = { enabled: boolean; budgets: NetworkBudgets; uploads: Budget }

// Messages to one address. More are not sent, silently: those that were sent still work.
const perAddress: Budget = { points: 5, seconds: 3_600 }
// New addresses that one user asks to have confirmed: nobody sends mail to strangers from here.
const perRequester: Budget = { points: 10, seconds: 3_600 }

/** The limits against abuse: per network, per account and device, per address that is written to. */
export function createLimits(db: Db, { enabled, budgets, uploads }: Options) {
  const limiters = Object.fromEntries(
    Object.entries(budgets).map(([name, budget]) => [
      name,
      createLimiter(db, name, budget, { isRefundable: name === 'login' }),
    ]),
  ) as Record<keyof NetworkBudgets, Limiter>
  const perUser = { uploads: createLimiter(db, 'uploads', uploads) }
  const messages = createLimiter(db, 'messages', perAddress)
  const requests = createLimiter(db, 'requests', perRequester)
  const guesses: Guesses = enabled
    ? createGuesses(db)
    : { admit: () => Promise.resolve(), forgive: () => Promise.resolve() }

  return {
    guesses,

    /**
     * A preHandler that takes one from the client network's budget, and tells where it stands.
     * The hook throws AppError `rate_limited`, `unavailable`.
     */
    perNetwork(name: keyof NetworkBudgets): preHandlerAsyncHookHandler {
      return async (request, reply) => {
        if (!enabled) return
        reply.headers(rateLimitHeaders(await limiters[name].take(networkOf(request.ip))))
      }
    },

    /** The same for the user of the token. */
    perUser(name: keyof typeof perUser): preHandlerAsyncHookHandler {
      return async (request, reply) => {
        if (!enabled) return
        reply.headers(rateLimitHeaders(await perUser[name].take(request.user.sub)))
      }
    },

    /**
     * For a message that a user wants sent to an address of their choice: so many an hour by one user,
     * and so many to one address. @throws AppError `rate_limited`, `unavailable`
     */
    async requireMayWrite(userId: string, address: string): Promise<void> {
      if (!enabled) return
      await requests.take(userId)
      await messages.take(keyOf(address))
    },

    /** Gives back what perNetwork took, where only failures count. */
    async refund(name: keyof NetworkBudgets, { ip }: FastifyRequest): Promise<void> {
      if (enabled) await limiters[name].refund(networkOf(ip))
    },

    /** Takes one for what went wrong: what goes right costs nothing. @throws AppError `rate_limited` */
    async penalise(name: keyof NetworkBudgets, address: string): Promise<void> {
      if (enabled) await limiters[name].take(networkOf(address))
    },

    /** Whether one more message may go to an address. */
    async mayWrite(address: string): Promise<boolean> {
      if (!enabled) return true
      return messages.tries(keyOf(address))
    },
  }
}

export type Limits = ReturnType<typeof createLimits>

/** A key of bounded length that shows nobody's address. */
export const keyOf = (text: string) => createHash('sha256').update(text).digest('base64url')
