import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../concurrency/clock.js'
import type { ClientRepository } from './repository.js'
import { readPublicKey } from './site-keys.js'

export type Site = { id: string; name: string; key: KeyObject }

type Dependencies = {
  clients: Pick<ClientRepository, 'listSiteKeys'>
  /** What memory knows of removed clients, and whether that is recent. */
  denials: { isDenied: (id: string) => boolean; isWithinLease: () => boolean }
  clock: Pick<Clock, 'monotonic'>
}

// In milliseconds. A stranger who invents names causes one query a second, and no more.
const pause = 1_000
const keptFor = 60_000

/** The keys of all sites, in memory. The key of a removed client is refused as soon as its tokens are. */
export function createKnownSites({ clients, denials, clock }: Dependencies) {
  let sites = new Map<string, Site>()
  let loadedAt = -Infinity
  let loading: Promise<void> | undefined

  /** @throws AppError `unavailable` */
  return async function findSite(name: string): Promise<Site | undefined> {
    const age = clock.monotonic() - loadedAt
    const maxAge = liveSite(name) && denials.isWithinLease() ? keptFor : pause
    if (age >= maxAge) await (loading ??= load())
    return liveSite(name)
  }

  function liveSite(name: string): Site | undefined {
    const site = sites.get(name)
    return site && !denials.isDenied(site.id) ? site : undefined
  }

  async function load(): Promise<void> {
    const startedAt = clock.monotonic()
    try {
      const rows = await clients.listSiteKeys()
      sites = new Map(rows.map((row) => [row.name, { ...row, key: readPublicKey(row.public_key) }]))
      loadedAt = startedAt
    } finally {
      loading = undefined
    }
  }
}

export type FindSite = ReturnType<typeof createKnownSites>
