import { AppError } from '../../errors.js'
import type { Denylist } from '../denylist/service.js'
import type { FoundKey, KeyLookup, KeySource } from './lookup.js'

type Options = { lookup: Pick<KeyLookup, 'recall' | 'find'>; denylist: Denylist }

/** Finds the API keys that may be used: neither the key nor its owner is denied, and its roles are current. */
export function createLiveKeys({ lookup, denylist }: Options) {
  /**
   * A key in memory needs no query within the lease of the denylist.
   * @returns a promise only if it queries the database
   * @throws AppError `invalid_token`, `rate_limited`, `overloaded`, `unavailable`
   */
  return function findLive(secret: string, source: KeySource): FoundKey | Promise<FoundKey> {
    const recalled = lookup.recall(secret)
    if (!recalled) return read()
    try {
      return requireLive(recalled, readIfStale)
    } catch (error) {
      return readIfStale(error)
    }

    /** Reads the key again if the owner changed since it was read. */
    async function readIfStale(error: unknown): Promise<FoundKey> {
      if (!isStale(error)) throw error
      return read()
    }

    /** Reads the key twice if the owner changed during the first time. */
    async function read(): Promise<FoundKey> {
      const found = await lookup.find(secret, source)
      try {
        await denylist.requireLive(found.claims)
        return found
      } catch (error) {
        if (!isStale(error)) throw error
      }
      const again = await lookup.find(secret, source)
      await denylist.requireLive(again.claims)
      return again
    }
  }

  function requireLive(
    found: FoundKey,
    onFault: (error: unknown) => Promise<FoundKey>,
  ): FoundKey | Promise<FoundKey> {
    return denylist.requireLive(found.claims)?.then(() => found, onFault) ?? found
  }
}

export type FindLiveKey = ReturnType<typeof createLiveKeys>

const isStale = (error: unknown) => error instanceof AppError && error.code === 'token_stale'
