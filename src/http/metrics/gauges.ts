import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Pool } from '../../db/pool.js'
import type { Lanes } from '../../concurrency/lanes.js'

export type Sources = {
  replica: {
    feed: { onLag: (listener: (lag: number) => void) => void }
    status: () => DenylistStatus
  }
  lanes: Pick<Lanes, 'busy' | 'waiting'>
  db: Pick<Pool, 'status'>
}

type DenylistStatus = {
  isWithinLease: boolean
  /** Milliseconds since the last answer of the database. */
  age: number
  entries: number
  bytes: number
  /** Milliseconds by which the database's clock is ahead of this host's. */
  skew: number
  reconnects: number
  historyChanges: number
  queries: number
}

/** The state of this instance, read from memory at each scrape. */
export function createGauges({ replica, lanes, db }: Sources): Registry {
  const registry = new Registry()
  const registers = [registry]

  function gauge(name: string, help: string, read: () => number): void {
    const metric: Gauge = new Gauge({
      name: `gatehouse_${name}`,
      help,
      registers,
      collect: () => metric.set(read()),
    })
  }

  function counter(name: string, help: string, read: () => number): void {
    const metric: Counter = new Counter({
      name: `gatehouse_${name}`,
      help,
      registers,
      collect: () => {
        metric.reset()
        metric.inc(read())
      },
    })
  }

  addDenylist()
  gauge('password_lanes_busy', 'Passwords being hashed', () => lanes.busy)
  gauge('password_lanes_waiting', 'Passwords waiting to be hashed', () => lanes.waiting)
  gauge('database_connections', 'Connections of the pool', () => db.status().total)
  gauge('database_connections_idle', 'Idle connections of the pool', () => db.status().idle)
  gauge('database_waiting', 'Queries waiting for a connection', () => db.status().waiting)
  return Registry.merge([registry, processMetrics()])

  function addDenylist(): void {
    const { status, feed } = replica
    gauge('denylist_fresh', '1 while the denylist is read from memory', () =>
      Number(status().isWithinLease),
    )
    gauge(
      'denylist_lease_age_seconds',
      'Time since the last answer of the database; the lease is 2',
      () => status().age / 1_000,
    )
    gauge('denylist_entries', 'Denials in memory', () => status().entries)
    gauge('denylist_bytes', 'Memory used by the denials', () => status().bytes)
    gauge(
      'denylist_clock_skew_seconds',
      "The database's clock minus the clock of this host",
      () => status().skew / 1_000,
    )
    counter('denylist_reconnects_total', 'Reconnections of the feed', () => status().reconnects)
    counter(
      'denylist_history_changes_total',
      'Changes of the history of the database, such as by a failover',
      () => status().historyChanges,
    )
    counter(
      'denylist_fallback_queries_total',
      'Queries that replaced a lookup in memory',
      () => status().queries,
    )
    const lag = new Histogram({
      name: 'gatehouse_denylist_lag_seconds',
      help: 'Time from writing a denial to reading it here, of the oldest denial of each read',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    })
    feed.onLag((seconds) => lag.observe(seconds))
  }
}

let processRegistry: Registry | undefined

/** Shared by all apps of the process, because the default metrics cannot be stopped once they run. */
function processMetrics(): Registry {
  if (processRegistry) return processRegistry
  processRegistry = new Registry()
  collectDefaultMetrics({ register: processRegistry })
  return processRegistry
}
