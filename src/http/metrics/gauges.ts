import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Pool } from '../../db/pool.js'
import type { Lanes } from '../../concurrency/lanes.js'

export type Sources = {
  replica: {
    feed: { onNews: (listener: (lag: number) => void) => void }
    status: () => DenylistStatus
  }
  lanes: Pick<Lanes, 'busy' | 'waiting'>
  db: Pick<Pool, 'status'>
}

type DenylistStatus = {
  isFresh: boolean
  /** Milliseconds since the database was last heard. */
  age: number
  entries: number
  bytes: number
  /** Milliseconds by which the database's clock is ahead of this host's. */
  skew: number
  reconnects: number
  historyChanges: number
  queries: number
}

/** How this instance stands, read from memory when it is asked for. */
export function createGauges({ replica, lanes, db }: Sources): Registry {
  const own = new Registry()
  const registers = [own]

  function gauge(name: string, help: string, read: () => number): void {
    const collect = function (this: Gauge) {
      this.set(read())
    }
    new Gauge({ name: `gatehouse_${name}`, help, registers, collect })
  }

  function counter(name: string, help: string, read: () => number): void {
    const collect = function (this: Counter) {
      this.reset()
      this.inc(read())
    }
    new Counter({ name: `gatehouse_${name}`, help, registers, collect })
  }

  addDenylist()
  gauge('password_lanes_busy', 'Passwords that are being hashed', () => lanes.busy)
  gauge('password_lanes_waiting', 'Passwords that wait to be hashed', () => lanes.waiting)
  gauge('database_connections', 'Connections of the pool', () => db.status().total)
  gauge('database_connections_idle', 'Idle connections of the pool', () => db.status().idle)
  gauge('database_waiting', 'Queries that wait for a connection', () => db.status().waiting)
  return Registry.merge([own, processMetrics()])

  function addDenylist(): void {
    const { status, feed } = replica
    gauge('denylist_fresh', '1 while the denylist is answered from memory', () =>
      Number(status().isFresh),
    )
    gauge(
      'denylist_lease_age_seconds',
      'Time since the database was last heard; the lease is 2',
      () => status().age / 1_000,
    )
    gauge('denylist_entries', 'Denials in memory', () => status().entries)
    gauge('denylist_bytes', 'Memory that the denials take', () => status().bytes)
    gauge(
      'denylist_clock_skew_seconds',
      "The database's clock less that of this host",
      () => status().skew / 1_000,
    )
    counter('denylist_reconnects_total', 'Losses of the feed', () => status().reconnects)
    counter(
      'denylist_history_changes_total',
      'Changes of the history of the database, as by a failover',
      () => status().historyChanges,
    )
    counter(
      'denylist_fallback_queries_total',
      'Queries that took the place of the memory',
      () => status().queries,
    )
    const lag = new Histogram({
      name: 'gatehouse_denylist_lag_seconds',
      help: 'From when a denial was written to when it was read here, the oldest of each reading',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    })
    feed.onNews((seconds) => lag.observe(seconds))
  }
}

let ofProcess: Registry | undefined

/** Once, however many apps there are in it: what observes the process cannot be told to stop. */
function processMetrics(): Registry {
  if (ofProcess) return ofProcess
  ofProcess = new Registry()
  collectDefaultMetrics({ register: ofProcess })
  return ofProcess
}
