import type { FastifyBaseLogger } from 'fastify'
import type { Identifier } from '../identifiers/identifiers.js'
import { keyOf } from './keys.js'
import type { Budget, Limiter, Reservation, Standing } from './limiter.js'
import { networkOf } from './network.js'
import type { Change, Counter } from './repository.js'

/** `account` and `version` (of its password) are undefined for an unknown identifier. */
type LoginGuess = {
  identifier: Identifier
  address: string
  device: string | undefined
  account: { id: string; version: number } | undefined
}

/** A guess that may be checked; it ends in one of three ways. */
export type Attempt = {
  /** The account takes no guess from here: answer as if the password were wrong. */
  isBlocked: boolean
  standing: Standing | undefined
  /** The guess was right: resets the counters and remembers the network. */
  right(): Promise<void>
  /** It was wrong, and counts. @throws AppError `unavailable`: then say nothing about the guess */
  wrong(): Promise<void>
  /** It was not checked, and costs nothing. */
  release(): Promise<void>
}

// In seconds.
const day = 86_400
const markLife = 90 * day
const accountMemory = 365 * day

// Guesses at once; from then on one at a time, with a wait that doubles from a second to an hour.
const free = 5
// NIST SP 800-63B-4 §3.2.2: no more than 100 consecutive failures for one account.
const inARow = 100

export const unsettled = 'a limit was not settled: its reservation expires'

const passwordRule = { most: free, seconds: day, doubles: true }

/** The name of each counter. It contains no identifier in clear text. */
const accountKey = (id: string) => `account:${id}`
export const knownKey = (id: string, version: number, network: string) =>
  `known:${keyOf(`${id}\n${version}\n${network}`)}`

/** Guesses at passwords. */
export function createGuesses(limiter: Limiter, login: Budget, log: FastifyBaseLogger) {
  return {
    /**
     * A login. A device of an earlier login has counters of its own. All others are counted by the
     * identifier as it was typed and by network, so that no refusal tells whether it is known, or to
     * which account it belongs; and silently by account.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async login({ identifier, address, device, account }: LoginGuess): Promise<Attempt> {
      const { kind, canonical } = identifier
      const name = `${kind}\n${canonical}`
      const network = networkOf(address)
      const id = account?.id ?? keyOf(name)
      const known = knownKey(id, account?.version ?? 0, network)
      const ofAccount = {
        key: accountKey(id),
        most: device === undefined ? inARow : 2 ** 31 - 1,
        seconds: account ? accountMemory : day,
        isSilent: true,
      }
      const visible: Counter[] =
        device === undefined
          ? [
              { key: `login:${network}`, most: login.points, seconds: login.seconds },
              { key: `guess:${keyOf(`${name}\n${network}`)}`, ...passwordRule },
            ]
          : [{ key: `device:${device}`, ...passwordRule }]
      const reservation = await limiter.reserve([...visible, ofAccount], known)
      return attemptOf(reservation, account && [markOf(known)])
    },

    /** With a token: counted by session, so that a thief's guesses do not hold up the owner. */
    async session(id: string): Promise<Attempt> {
      return attemptOf(await limiter.reserve([{ key: `session:${id}`, ...passwordRule }]))
    },

    /** The owner proved the account in another way: it accepts guesses again. */
    async welcome({ id, version }: { id: string; version: number }, address: string) {
      const mark = markOf(knownKey(id, version, networkOf(address)))
      const counter = { key: accountKey(id), most: inARow, seconds: accountMemory }
      await orExpire(limiter.settle({ id: '0', counters: [counter] }, 'clear', [mark]))
    },
  }

  function attemptOf(reservation: Reservation, marks: Change[] = []): Attempt {
    const { isBlocked, standing } = reservation
    return {
      isBlocked,
      standing,
      // A network may be shared: one success does not forgive the failures of all.
      right: () => orExpire(limiter.settle(reservation, forgive, marks)),
      wrong: () => limiter.settle(reservation, 'count'),
      release: () => orExpire(limiter.settle(reservation, 'keep')),
    }
  }

  /** What the request found stands, whatever becomes of the reservation. */
  async function orExpire(settled: Promise<void>): Promise<void> {
    await settled.catch((err: unknown) => log.warn({ err }, unsettled))
  }
}

export type Guesses = ReturnType<typeof createGuesses>

/** Without limits every guess is checked. */
export function unlimitedGuesses(): Guesses {
  const nothing = () => Promise.resolve()
  const attempt: Attempt = {
    isBlocked: false,
    standing: undefined,
    right: nothing,
    wrong: nothing,
    release: nothing,
  }
  const attend = () => Promise.resolve(attempt)
  return { login: attend, session: attend, welcome: nothing }
}

const forgive = ({ key }: Counter) => (key.startsWith('login:') ? 'keep' : 'clear')

/** A network that a login came from, until it expires. */
const markOf = (key: string): Change => ({
  counter: { key, most: 1, seconds: markLife },
  outcome: 'mark',
})

/** Runs `check` and settles the attempt by its result: undefined counts as a wrong guess, an error gives the guess back. */
export async function judge<Result>(
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
