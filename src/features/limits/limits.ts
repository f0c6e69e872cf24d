import type {
  FastifyBaseLogger,
  FastifyReply,
  FastifyRequest,
  onSendAsyncHookHandler,
  preHandlerAsyncHookHandler,
  RouteOptions,
} from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { failureFields } from '../../db/outage.js'
import type { DeviceOwner } from './device.js'
import { createGuesses, knownKey, totalCounter, unlimitedGuesses, notSettled } from './guesses.js'
import { hashKey } from './keys.js'
import { createLimiter, rateLimitHeaders, type Budget, type Reservation } from './limiter.js'
import { networkOf } from './network.js'
import type { Counter, CounterRepository } from './repository.js'

/** The budgets of one network. `login`, `refresh` and `clients` count failures, the others every request. */
export type NetworkBudgets = Record<
  'login' | 'register' | 'forgot' | 'codes' | 'refresh' | 'clients',
  Budget
>

/** Where a request comes from, and the client that attests it. */
type Origin = { address: string; site?: string | undefined }

type Options = {
  enabled: boolean
  budgets: NetworkBudgets
  /** For each of the budgets above: all visitors of one site that attests them. */
  attested: Budget
  uploads: Budget
  log: FastifyBaseLogger
  clock: Clock
}

/** The store of counters in a transaction: a count is lost if the transaction rolls back. */
export type CounterStore = { counters: CounterRepository }

// Messages to one address, for each purpose. Further messages are not sent; codes sent before still work.
const addressBudget: Budget = { points: 5, seconds: 3_600 }
// How many messages a user may cause by changes of the e-mail address or mobile number, so that no user can
// flood strangers with them.
const requesterBudget: Budget = { points: 10, seconds: 3_600 }
// Notices of logins on unknown devices, for each account.
const noticeBudget: Budget = { points: 5, seconds: 86_400 }

/** The limits against abuse: by network, by identifier and device, and by address of a message. */
export function createLimits(
  counters: CounterRepository,
  { enabled, budgets, attested, uploads, log, clock }: Options,
) {
  const limiter = createLimiter(counters, clock)
  const hooks = new WeakSet<object>()
  const reservations = new WeakMap<FastifyRequest, { reservation: Reservation; isKept: boolean }>()
  const networkCounters = (name: keyof NetworkBudgets, { address, site }: Origin): Counter[] => [
    counterOf(`${name}:${networkOf(address)}`, budgets[name]),
    ...(site === undefined ? [] : [totalCounter(name, site, attested)]),
  ]

  return {
    guesses: enabled
      ? createGuesses(limiter, { login: budgets.login, attested }, log)
      : unlimitedGuesses(),

    /**
     * A preHandler that reserves a point of the network's budget, and sets the RateLimit headers.
     * The hook throws AppError `rate_limited`, `unavailable`.
     */
    perNetwork: (name: keyof NetworkBudgets): preHandlerAsyncHookHandler =>
      createHook(({ ip, site }) => networkCounters(name, { address: ip, site })),

    /** As perNetwork, for the user of the token. */
    perUser: (name: 'uploads'): preHandlerAsyncHookHandler =>
      createHook(({ user }) => [counterOf(`${name}:${user.sub}`, uploads)]),

    /** An onRoute hook: settles the reservation of the hooks above by the status of the reply. */
    settleAfter(route: RouteOptions): void {
      if (![route.preHandler].flat().some((hook) => hook && hooks.has(hook))) return
      route.onSend = [route.onSend ?? [], settleByStatus].flat()
    },

    /** Makes the request count nothing, for budgets where only failures count. */
    refund(request: FastifyRequest): void {
      const reserved = reservations.get(request)
      if (reserved) reserved.isKept = true
    },

    /** Counts a failure of a network. @throws AppError `rate_limited` over the budget, `unavailable` */
    async countFailure(name: keyof NetworkBudgets, origin: Origin): Promise<void> {
      if (!enabled) return
      for (const counter of networkCounters(name, origin)) await limiter.count(counter)
    },

    /**
     * Counts messages that a user requests for new addresses, by user and by address.
     * @throws AppError `rate_limited` over a budget, `unavailable`
     */
    async requireMaySend(tx: CounterStore, userId: string, addresses: string[]): Promise<void> {
      if (!enabled) return
      const { count } = createLimiter(tx.counters, clock)
      for (const address of addresses) {
        await count(counterOf(`requests:${userId}`, requesterBudget))
        await count(messageCounter('change', address))
      }
    },

    /**
     * Counts a message to an address. Returns false over the budget. `share` names a device or network that
     * the owner of the address used before. It has its own budget, which strangers cannot use up.
     */
    async maySend(
      tx: CounterStore,
      purpose: string,
      address: string,
      share = '',
    ): Promise<boolean> {
      return admits(tx, messageCounter(purpose, address, share))
    },

    /** Counts a notice of a login on an unknown device. Returns false over the budget of the account. */
    mayNotify: (tx: CounterStore, userId: string): Promise<boolean> =>
      admits(tx, counterOf(`notices:${userId}`, noticeBudget)),

    /** Whether the user has logged in from the network with the present password. */
    isKnownNetwork: ({ counters }: CounterStore, { id, version }: DeviceOwner, network: string) =>
      counters.isLive(knownKey(id, version, network), clock.now()),

    /** Resets the count of messages to an address, after its owner has confirmed it. */
    resetMessages: (tx: CounterStore, purpose: string, address: string): Promise<void> =>
      tx.counters.clear(messageCounter(purpose, address).key),
  }

  async function admits(tx: CounterStore, counter: Counter): Promise<boolean> {
    if (!enabled) return true
    const changes = [{ counter, outcome: 'count' as const }]
    const [count] = await tx.counters.settle({ now: clock.now(), changes })
    return (count?.points ?? 0) <= counter.max
  }

  function createHook(
    countersFor: (request: FastifyRequest) => Counter[],
  ): preHandlerAsyncHookHandler {
    const hook = async (request: FastifyRequest, reply: FastifyReply) => {
      if (!enabled) return
      const reservation = await limiter.reserve(countersFor(request))
      reservations.set(request, { reservation, isKept: false })
      reply.headers(rateLimitHeaders(reservation.status))
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
      log.warn(failureFields(err), notSettled)
    }
  }
}

export type Limits = ReturnType<typeof createLimits>

const counterOf = (key: string, { points, seconds }: Budget): Counter => ({
  key,
  max: points,
  seconds,
})

const messageCounter = (purpose: string, address: string, share = '') =>
  counterOf(`messages:${hashKey(`${purpose}\n${address}\n${share}`)}`, addressBudget)
