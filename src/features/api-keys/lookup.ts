import { ownClientId, type AccessClaims } from '@gatehouse/verify/protocol'
import { createBatcher } from '../../concurrency/batch.js'
import type { Clock } from '../../concurrency/clock.js'
import { createRecent } from '../../concurrency/recent.js'
import { hashSecret } from '../../crypto/secrets.js'
import { AppError } from '../../errors.js'
import { networkOf } from '../limits/network.js'
import type { ApiKeyRepository, LiveKey } from './repository.js'
import { isWellFormed } from './secret.js'

type Options = {
  keys: Pick<ApiKeyRepository, 'use'>
  issuer: string
  audience: string
  /** How long a key is answered from memory, in seconds. Its denial lasts longer. */
  ttl: number
  clock: Clock
}

/** A key that may be used. `claims` are those of a token for it, and end when the key must be read again. */
export type FoundKey = { claims: AccessClaims; key: LiveKey }

const maxKnown = 5_000
const maxUnknown = 5_000
const unknownFor = 30_000
const maxNetworks = 10_000
/** How many keys of one network may wait for a query. */
const maxWaiting = 200
/** The pause between two queries of a network after an unknown key, in milliseconds. */
const pause = 1_000

/** Who asks: an address, or a client that has authenticated. */
export type KeySource = string | { client_id: string }

type Network = {
  add: (hash: Buffer) => Promise<LiveKey | undefined>
  waiting: number
  nextAt: number
}

/**
 * Finds API keys, from memory after the first use. The caller checks that the key and its owner are not denied.
 *
 * A network sends one query at a time, and all keys that arrive meanwhile share the next. After an unknown key
 * the next query of the network waits until a second has passed. So a stranger who tries keys costs at most a
 * query a second, and does not slow down other networks. A client that has authenticated asks for the users of a
 * whole service, so it has a turn of its own and does not pause.
 */
export function createKeyLookup({ keys, issuer, audience, ttl, clock }: Options) {
  const known = createRecent<FoundKey>(maxKnown)
  const unknown = createRecent<number>(maxUnknown)
  const networks = new Map<string, Network>()
  const running = new Map<string, Promise<LiveKey | undefined>>()
  /** For networks beyond the maximum: they wait for each other, but are answered. */
  const others = createNetwork(pause)
  let sweptAt = -Infinity
  let queries = 0

  return {
    /** How many queries there were so far. */
    get queries() {
      return queries
    },

    /** The key, if it is in memory. */
    recall(secret: string): FoundKey | undefined {
      const found = known.get(idOf(hashSecret(secret)))
      return found && clock.now() < found.claims.exp * 1_000 ? found : undefined
    },

    /**
     * Reads the key again.
     * @throws AppError `invalid_token`; `rate_limited` while the network tries unknown keys; `unavailable`
     */
    async find(secret: string, source: KeySource): Promise<FoundKey> {
      if (!isWellFormed(secret)) throw new AppError('invalid_token')
      const hash = hashSecret(secret)
      if ((unknown.get(idOf(hash)) ?? 0) > clock.monotonic()) throw new AppError('invalid_token')
      const key = await share(idOf(hash), () => askFor(networkFor(source), hash))
      const found = key && { claims: Object.freeze(claimsOf(key)), key }
      if (!found || found.claims.exp * 1_000 <= clock.now()) {
        known.delete(idOf(hash))
        unknown.set(idOf(hash), clock.monotonic() + unknownFor)
        throw new AppError('invalid_token')
      }
      known.set(idOf(hash), found)
      return found
    },
  }

  /** Requests with the same key share a query that waits or runs. */
  function share(id: string, ask: () => Promise<LiveKey | undefined>) {
    const asked = running.get(id)
    if (asked) return asked
    const asking = ask().finally(() => running.delete(id))
    running.set(id, asking)
    return asking
  }

  async function askFor(network: Network, hash: Buffer): Promise<LiveKey | undefined> {
    if (network.waiting >= maxWaiting) throw new AppError('rate_limited', { retryAfter: 1 })
    network.waiting += 1
    try {
      return await network.add(hash)
    } finally {
      network.waiting -= 1
    }
  }

  function networkFor(source: KeySource): Network {
    const isClient = typeof source !== 'string'
    const name = isClient ? `client ${source.client_id}` : networkOf(source)
    const present = networks.get(name)
    if (present) return present
    if (networks.size >= maxNetworks) sweep()
    if (networks.size >= maxNetworks) return others
    const network = createNetwork(isClient ? 0 : pause)
    networks.set(name, network)
    return network
  }

  /** Forgets the networks that have nothing to wait for, at most once a second. */
  function sweep(): void {
    const now = clock.monotonic()
    if (now < sweptAt + pause) return
    sweptAt = now
    for (const [name, { waiting, nextAt }] of networks) {
      if (waiting === 0 && nextAt <= now) networks.delete(name)
    }
  }

  function createNetwork(rest: number): Network {
    const run = async (hashes: Buffer[]) => {
      const wait = network.nextAt - clock.monotonic()
      if (wait > 0) await clock.sleep(wait)
      const sentAt = clock.monotonic()
      queries += 1
      const found = new Map((await keys.use(hashes)).map((key) => [idOf(key.secret_hash), key]))
      const results = hashes.map((hash) => found.get(idOf(hash)))
      if (results.includes(undefined)) network.nextAt = sentAt + rest
      return results
    }
    const add = createBatcher(run, { maxRunning: 1, maxItems: maxWaiting, maxWait: 3_000, clock })
    const network: Network = { add, waiting: 0, nextAt: -Infinity }
    return network
  }

  function claimsOf({ id, user_id, roles, epoch, username, email, name, expires_at }: LiveKey) {
    const now = Math.floor(clock.now() / 1_000)
    const end = Math.floor(Date.parse(expires_at) / 1_000)
    const claims: AccessClaims = {
      ...{ iss: issuer, aud: audience, sub: user_id, client_id: ownClientId },
      ...{ jti: id, sid: id, gen: 0, roles, epoch, api_key: id },
      ...(username !== null && { username }),
      ...(email !== null && { email, email_verified: true as const }),
      ...(name !== null && { name }),
      iat: now,
      exp: Math.min(end, now + ttl),
    }
    return claims
  }
}

export type KeyLookup = ReturnType<typeof createKeyLookup>

const idOf = (hash: Buffer) => hash.toString('latin1')
