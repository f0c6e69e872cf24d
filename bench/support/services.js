import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { loadConfig } from '../../src/config/load.js'
import { openResources } from '../../src/process/resources.js'
import { createServices } from '../../src/services/services.js'
import { inParallel, median } from './parallel.js'

/** The services on the database of DATABASE_URL, or on a new one that is deleted afterwards. */
export async function openServices(env = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
  const log = pino({ level: 'error' })
  const closers = [() => rm(dataDir, { recursive: true, force: true })]
  const config = loadConfig({ RATE_LIMIT: 'off', DATA_DIR: dataDir, ...process.env, ...env })
  const resources = await openResources(config, { log, closers })
  const services = await createServices(config, { ...resources, log })
  const close = async () => {
    for (const closer of closers.reverse()) await closer()
  }
  return { ...resources, services, close }
}

/** So many users with a session each: what a login returns, without its hash. */
export function openSessions({ services: { store, logins } }, count) {
  const caller = { user_id: null, session_id: null, address: '::1', user_agent: 'bench' }
  const open = async (nth) => {
    const email = `user-${nth}@example.org`
    const identifiers = [{ kind: 'email', text: email, canonical: email }]
    const newcomer = { id: randomUUID(), name: null, gender: null, password_hash: null }
    const user = await store.users.create({ ...newcomer, identifiers, activated: true })
    const owner = { user, password_hash: null, password_version: 0 }
    const opened = await store.transaction((tx) => logins.open(tx, owner, caller))
    const { session_id, user_id, generation } = opened.subject
    return { session_id, user_id, generation, ...logins.complete(opened).tokens }
  }
  return inParallel(count, open, 10) // as many as there are connections
}

/**
 * Runs each of `ways` so many times, 128 at once, in turn and round after round, so that noise meets
 * them alike; how many a second each did, by round. `pause` in milliseconds, before each round.
 */
export async function compare(ways, { rounds, count, pause = 0 }) {
  const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  for (let round = -1; round < rounds; round += 1) {
    await sleep(pause)
    for (const [name, way] of Object.entries(ways)) {
      const start = performance.now()
      await inParallel(count, way)
      const rate = (count / (performance.now() - start)) * 1_000
      if (round >= 0) rates[name].push(rate) // the first is for warming up
    }
  }
  return rates
}

/** A table of what compare() found: rates, and ratios to the first way within each round. */
export function print(rates) {
  const [[, first]] = Object.entries(rates)
  console.log('| | a second | of the first |\n|---|---|---|')
  for (const [name, own] of Object.entries(rates)) {
    const ratio = median(own.map((rate, round) => rate / first[round]))
    console.log(`| ${name} | ${median(own).toFixed(0)} | ${ratio.toFixed(2)} |`)
  }
}
