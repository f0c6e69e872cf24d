import type { FastifyBaseLogger } from 'fastify'
import { failureFields } from '../../db/outage.js'
import type { Identifier } from '../identifiers/identifiers.js'
import { hashKey } from './keys.js'
import type { Budget, Limiter, Reservation, RateLimitStatus } from './limiter.js'
import { networkOf } from './network.js'
import type { Change, Counter } from './repository.js'

/** `account` is undefined for an unknown identifier. Its `version` counts password changes. */
type LoginGuess = {
  identifier: Identifier
  address: string
  /** The client that attests the address. */
  site?: string | undefined
  device: string | undefined
  account: { id: string; version: number } | undefined
}

/** A reserved guess. The caller ends it with `right`, `wrong` or `release`. */
export type Attempt = {
  /** The account accepts no guess from this network: answer as if the password were wrong. */
  isBlocked: boolean
  status: RateLimitStatus | undefined
  /** The guess was right: resets the counters and remembers the network. */
  right(): Promise<void>
  /** The guess was wrong, and counts. @throws AppError `unavailable`: then do not reveal the result */
  wrong(): Promise<void>
  /** Ends the attempt without counting it: it was found neither right nor wrong. */
  release(): Promise<void>
}

// In seconds.
const day = 86_400
const markTtl = 90 * day
const accountTtl = 365 * day

// Guesses without a wait. Each further guess has a wait, which doubles from a second to an hour.
const freeGuesses = 5
// NIST SP 800-63B-4 §3.2.2: no more than 100 consecutive failures for one account.
const maxConsecutive = 100

export const notSettled = 'rate limit not settled, its reservation expires'

const passwordRule = { max: freeGuesses, seconds: day, doubles: true }

/** Wrong codes of an account: 20 an hour and 100 in 30 days. A code has a million values, and three are right. */
const factorRules = [
  { max: 20, seconds: 3_600 },
  { max: 100, seconds: 30 * day },
]

const userCodeRules = {
  account: { max: 10, seconds: 3_600 },
  network: { max: 50, seconds: 3_600 },
  all: { max: 1_000, seconds: 3_600 },
}

/** The keys of counters contain no identifier in clear text. */
const accountKey = (id: string) => `account:${id}`
export const knownKey = (id: string, version: number, network: string) =>
  `known:${hashKey(`${id}\n${version}\n${network}`)}`

/** All that one site attests, so that a stolen key of a site does not lift the limits. */
export const totalCounter = (name: string, site: string, { points, seconds }: Budget): Counter => ({
  key: `attested:${name}:${site}`,
  max: points,
  seconds,
})

/** Limits guesses at passwords. */
export function createGuesses(
  limiter: Limiter,
  { login, attested }: Record<'login' | 'attested', Budget>,
  log: FastifyBaseLogger,
) {
  return {
    /**
     * Reserves a guess at a login. A device with a mark has a counter of its own. Other guesses are counted
     * by network, and by network with the identifier as typed. These refusals do not reveal whether the
     * identifier exists or to which account it belongs. Each guess is also counted silently by account.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async login({ identifier, address, site, device, account }: LoginGuess): Promise<Attempt> {
      const { kind, canonical } = identifier
      const name = `${kind}\n${canonical}`
      const network = networkOf(address)
      const id = account?.id ?? hashKey(name)
      const known = knownKey(id, account?.version ?? 0, network)
      const ofAccount = {
        key: accountKey(id),
        max: device === undefined ? maxConsecutive : 2 ** 31 - 1,
        seconds: account ? accountTtl : day,
        isSilent: true,
      }
      const visible: Counter[] =
        device === undefined
          ? [
              { key: `login:${network}`, max: login.points, seconds: login.seconds },
              { key: `guess:${hashKey(`${name}\n${network}`)}`, ...passwordRule },
              ...(site === undefined ? [] : [totalCounter('login', site, attested)]),
            ]
          : [{ key: `device:${device}`, ...passwordRule }]
      const reservation = await limiter.reserve([...visible, ofAccount], known)
      return attemptOf(reservation, account && [markChange(known)])
    },

    /** Reserves a guess in a session. Guesses are counted by session, so a thief's guesses do not block the owner. */
    async session(id: string): Promise<Attempt> {
      return attemptOf(await limiter.reserve([{ key: `session:${id}`, ...passwordRule }]))
    },

    /**
     * Reserves a guess at a second factor, of any device. A right one does not reset the counters, because a
     * thief with the password may guess beside the owner.
     */
    async factor(id: string): Promise<Attempt> {
      const counters = factorRules.map((rule) => ({ ...rule, key: `factor:${rule.seconds}:${id}` }))
      return attemptOf(await limiter.reserve(counters))
    },

    /**
     * Reserves a guess at the code of any device, by account, by network and in all (RFC 8628 §5.1). A right one does
     * not reset the counters.
     */
    async userCode(id: string, address: string): Promise<Attempt> {
      const { account, network, all } = userCodeRules
      const counters = [
        { key: `user_code:account:${id}`, ...account },
        { key: `user_code:network:${networkOf(address)}`, ...network },
        { key: 'user_code:all', ...all },
      ]
      return attemptOf(await limiter.reserve(counters))
    },

    /**
     * Lets the account accept guesses again, after the owner proved in another way to own it. It also
     * marks the owner's network as known.
     */
    async resetAccount({ id, version }: { id: string; version: number }, address: string) {
      const mark = markChange(knownKey(id, version, networkOf(address)))
      const counter = { key: accountKey(id), max: maxConsecutive, seconds: accountTtl }
      await settleOrLog(limiter.settle({ id: '0', counters: [counter] }, 'clear', [mark]))
    },
  }

  function attemptOf(reservation: Reservation, marks: Change[] = []): Attempt {
    const { isBlocked, status } = reservation
    return {
      isBlocked,
      status,
      // A success does not reset the network's counter, because others may share the network.
      right: () => settleOrLog(limiter.settle(reservation, outcomeOfSuccess, marks)),
      wrong: () => limiter.settle(reservation, 'count'),
      release: () => settleOrLog(limiter.settle(reservation, 'keep')),
    }
  }

  /** Logs a failure to settle: the result of the request does not depend on it. */
  async function settleOrLog(settled: Promise<void>): Promise<void> {
    await settled.catch((err: unknown) => log.warn(failureFields(err), notSettled))
  }
}

export type Guesses = ReturnType<typeof createGuesses>

/** For RATE_LIMIT=off: every guess is checked. */
export function unlimitedGuesses(): Guesses {
  const nothing = () => Promise.resolve()
  const attempt: Attempt = {
    isBlocked: false,
    status: undefined,
    right: nothing,
    wrong: nothing,
    release: nothing,
  }
  const allow = () => Promise.resolve(attempt)
  return { login: allow, session: allow, factor: allow, userCode: allow, resetAccount: nothing }
}

const outcomeOfSuccess = ({ key }: Counter) =>
  /^(login|factor|attested|user_code):/.test(key) ? 'keep' : 'clear'

/** Marks a network from which the user logged in. */
const markChange = (key: string): Change => ({
  counter: { key, max: 1, seconds: markTtl },
  outcome: 'mark',
})

/** Runs `check` and settles the attempt: undefined counts as a wrong guess, an error does not count. */
export async function checkGuess<Result>(
  attempt: Attempt,
  check: () => Promise<Result | undefined>,
): Promise<Result | undefined> {
  let result: Result | undefined
  try {
    result = await check()
  } catch (error) {
    await attempt.release()
    throw error
  }
  await (result === undefined ? attempt.wrong() : attempt.right())
  return result
}
