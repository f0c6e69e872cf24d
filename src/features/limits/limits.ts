import type {
  FastifyBaseLogger,
  FastifyReply,
  FastifyRequest,
  onSendAsyncHookHandler,
  preHandlerAsyncHookHandler,
  RouteOptions,
} from 'fastify'
import type { Owner } from './device.js'
import { createGuesses, knownKey, unlimitedGuesses, unsettled } from './guesses.js'
import { keyOf } from './keys.js'
import { createLimiter, rateLimitHeaders, type Budget, type Reservation } from './limiter.js'
import { networkOf } from './network.js'
import type { Counter, CounterRepository } from './repository.js'

/** What one network may do. `login`, `refresh` and `clients` count failures, the others every request. */
export type NetworkBudgets = Record<
  'login' | 'register' | 'forgot' | 'codes' | 'refresh' | 'clients',
  Budget
>

type Options = {
  enabled: boolean
  budgets: NetworkBudgets
  uploads: Budget
  log: FastifyBaseLogger
  /** Milliseconds since 1970. */
  now?: () => number
}

/** What only counts if the transaction that counts it commits. */
export type Counting = { counters: CounterRepository }

// Messages to one address, for each purpose. More are not sent: those that were sent still work.
const perAddress: Budget = { points: 5, seconds: 3_600 }
// New addresses that one user asks to have confirmed: nobody sends mail to strangers from here.
const perRequester: Budget = { points: 10, seconds: 3_600 }

/** The limits against abuse: per network, per identifier and device, per address that is written to. */
export function createLimits(
  counters: CounterRepository,
  { enabled, budgets, uploads, log, now = () => Date.now() }: Options,
) {
  const limiter = createLimiter(counters, now)
  const hooks = new WeakSet<object>()
  const reservations = new WeakMap<FastifyRequest, { reservation: Reservation; isKept: boolean }>()
  const networkCounter = (name: keyof NetworkBudgets, address: string) =>
    counterOf(`${name}:${networkOf(address)}`, budgets[name])

  return {
    guesses: enabled ? createGuesses(limiter, budgets.login, log) : unlimitedGuesses(),

    /**
     * A preHandler that reserves one from the client network's budget, and tells where it stands.
     * The hook throws AppError `rate_limited`, `unavailable`.
     */
    perNetwork: (name: keyof NetworkBudgets): preHandlerAsyncHookHandler =>
      hookOf(({ ip }) => networkCounter(name, ip)),

    /** The same for the user of the token. */
    perUser: (name: 'uploads'): preHandlerAsyncHookHandler =>
      hookOf(({ user }) => counterOf(`${name}:${user.sub}`, uploads)),

    /** An onRoute hook: what one of the hooks above reserved is settled by the status of the reply. */
    settleAfter(route: RouteOptions): void {
      if (![route.preHandler].flat().some((hook) => hook && hooks.has(hook))) return
      route.onSend = [route.onSend ?? [], settleByStatus].flat()
    },

    /** Says that the request costs nothing, where only failures count. */
    refund(request: FastifyRequest): void {
      const reserved = reservations.get(request)
      if (reserved) reserved.isKept = true
    },

    /** Counts a failure: what goes right costs nothing. @throws AppError `rate_limited`, `unavailable` */
    async penalise(name: keyof NetworkBudgets, address: string): Promise<void> {
      if (enabled) await limiter.count(networkCounter(name, address))
    },

    /**
     * Counts messages that a user wants sent to addresses of their choice: so many an hour by one user,
     * and so many to one address. @throws AppError `rate_limited`, `unavailable`
     */
    async requireMayWrite(tx: Counting, userId: string, addresses: string[]): Promise<void> {
      if (!enabled) return
      const { count } = createLimiter(tx.counters, now)
      for (const address of addresses) {
        await count(counterOf(`requests:${userId}`, perRequester))
        await count(messageCounter('change', address))
      }
    },

    /**
     * Counts one more message to an address; whether it may go. `share` names a source that the
     * address's owner used before: others do not use up its share.
     */
    async mayWrite(tx: Counting, purpose: string, address: string, share = ''): Promise<boolean> {
      if (!enabled) return true
      const counter = messageCounter(purpose, address, share)
      const changes = [{ counter, outcome: 'count' as const }]
      const [count] = await tx.counters.settle({ now: now(), changes })
      return (count?.points ?? 0) <= counter.most
    },

    /** Whether a user logged in from a network, with the present password. */
    isKnown: ({ counters }: Counting, { id, version }: Owner, network: string) =>
      counters.isLive(knownKey(id, version, network), now()),

    /** The owner of an address proved to be that: messages to it are counted from the beginning. */
    forgetMessages: (tx: Counting, purpose: string, address: string): Promise<void> =>
      tx.counters.clear(messageCounter(purpose, address).key),
  }

  function hookOf(counterFor: (request: FastifyRequest) => Counter): preHandlerAsyncHookHandler {
    const hook = async (request: FastifyRequest, reply: FastifyReply) => {
      if (!enabled) return
      const reservation = await limiter.reserve([counterFor(request)])
      reservations.set(request, { reservation, isKept: false })
      reply.headers(rateLimitHeaders(reservation.standing))
    }
    hooks.add(hook)
    return hook
  }

  async function settleByStatus(...[request, reply]: Parameters<onSendAsyncHookHandler>) {
    const reserved = reservations.get(request)
    if (!reserved) return
    reservations.delete(request)
    const costsNothing = reserved.isKept || reply.statusCode >= 500
    try {
      await limiter.settle(reserved.reservation, costsNothing ? 'keep' : 'count')
    } catch (err) {
      log.warn({ err }, unsettled)
    }
  }
}

export type Limits = ReturnType<typeof createLimits>

const counterOf = (key: string, { points, seconds }: Budget): Counter => ({
  key,
  most: points,
  seconds,
})

const messageCounter = (purpose: string, address: string, share = '') =>
  counterOf(`messages:${keyOf(`${purpose}\n${address}\n${share}`)}`, perAddress)
