// Gatehouse beside Express, better-auth and Flask: the same work over HTTP, each server in turn, round after
// round. `npm run bench`, or `npm run bench -- login refresh --rounds=3`. DATABASE_URL names a PostgreSQL
// server on which databases can be made. Writes bench/results.json.
import argon2 from 'argon2'
import bcrypt from 'bcryptjs'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { freePort } from './support/free-port.js'
import { cpuOf, memoryOf } from './support/group.js'
import { obstacleOf, peers, startPeer } from './support/peers.js'
import { inParallel, median } from './support/parallel.js'

// Several, because Gatehouse limits the sessions of a user.
const accounts = Array.from({ length: 64 }, (_, nth) => ({
  email: `ada-${nth}@example.org`,
  password: 'correct horse battery',
}))
const most = 1_280
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, peers: { type: 'string' } },
})
if (!process.env.DATABASE_URL) throw new Error('DATABASE_URL must name a PostgreSQL server')

/** What is measured: for each the unit, and whether less is better. */
const measures = {
  start: { unit: 'ms to the first answer', isCost: true },
  'start cpu': { unit: 'ms of CPU', isCost: true },
  idle: { unit: 'MB after the start', isCost: true },
  flood: { unit: 'p99 of a GET in a flood of 256 logins, of the p99 before', isCost: true },
  get: { unit: 'µs of CPU for a GET of the user', isCost: true },
  refresh: { unit: 'refreshes a second' },
  logout: { unit: 'logouts a second' },
  login: { unit: 'logins a second' },
  'of raw': { unit: 'logins of the raw rate of argon2' },
  peak: { unit: 'MB after 10 s of logins', isCost: true },
  rest: { unit: 'MB 15 s later', isCost: true },
}
const wanted = new Set(positionals.length > 0 ? positionals : Object.keys(measures))
const wants = (...names) => names.some((name) => wanted.has(name))

const names = (values.peers?.split(',') ?? Object.keys(peers)).filter((name) => {
  const obstacle = obstacleOf(name)
  if (obstacle) console.error(`${name} is left out: ${obstacle}`)
  return !obstacle
})
const floodClient = fileURLToPath(new URL('support/flood.js', import.meta.url))
const admin = new pg.Client({ connectionString: process.env.DATABASE_URL })
await admin.connect()
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const found = Object.fromEntries(names.map((name) => [name, {}]))

try {
  for (const name of names) await prepare(name)
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const name of names) await measure(name)
    console.error(`round ${round + 1} of ${values.rounds}`)
    save() // a run that is stopped keeps what it has
  }
} finally {
  for (const name of names)
    await admin.query(`drop database if exists ${nameOf(name)} with (force)`)
  rmSync(dataDir, { recursive: true, force: true })
  await admin.end()
}
report()

function nameOf(name) {
  return `bench_${name.replace('-', '_')}_${process.pid}`
}

function databaseOf(name) {
  const url = new URL(process.env.DATABASE_URL)
  url.pathname = `/${nameOf(name)}`
  return url.href
}

/** Makes the database, its tables and the accounts, so that each round begins with what is there. */
async function prepare(name) {
  await admin.query(`create database ${nameOf(name)}`)
  if (name === 'flask') {
    const db = new pg.Client({ connectionString: databaseOf(name) })
    await db.connect()
    await db.query(`create table users (id uuid primary key, email text unique, password_hash text);
      create table refresh_tokens (id uuid primary key, user_id uuid, expires_at timestamptz);
      create table revoked (id uuid primary key)`)
    await db.end()
  }
  const server = await start(name)
  for (const account of accounts) await server.ask(peers[name].register(account))
  await server.stop()
  const { quickHash } = peers[name]
  if (quickHash) await quicken(name)
}

/** Makes the passwords of all accounts but eight quick to verify, so that a server soon has sessions to end. */
async function quicken(name) {
  const db = new pg.Client({ connectionString: databaseOf(name) })
  await db.connect()
  await db.query('update users set password_hash = $1 where email = any ($2)', [
    bcrypt.hashSync(accounts[0].password, 4),
    accounts.slice(8).map(({ email }) => email),
  ])
  await db.end()
}

async function measure(name) {
  const peer = peers[name]
  const server = await start(name)
  const add = (measure, value) => (found[name][measure] ??= []).push(value)
  const rate = async (count, work, width) => {
    const began = performance.now()
    await inParallel(count, work, width)
    return (count / (performance.now() - began)) * 1_000
  }
  /** Sessions of the quick accounts: as many as 20 s allow, so that logouts are measured with warm code. */
  const logInQuickly = async () => {
    const end = performance.now() + 20_000
    const sessions = await inParallel(
      most,
      async (nth) =>
        (nth < 256 || performance.now() < end) &&
        peer.read(await server.ask(peer.login(accounts[8 + (nth % (accounts.length - 8))]))),
      16,
    )
    return sessions.filter(Boolean)
  }
  const logIn = async (nth = 0) => peer.read(await server.ask(peer.login(accounts[nth % 8])))
  try {
    add('start', server.startMs)
    add('start cpu', cpuOf(server.group))
    await sleep(3_000)
    add('idle', memoryOf(server.group))
    if (wants('flood')) {
      const get = peer.get(await logIn())
      const before = await percentile(0.99, () => server.ask(get))
      const flood = spawn(
        process.execPath,
        [floodClient, server.port, '256', JSON.stringify(peer.login(accounts.at(-1)))],
        { stdio: 'inherit' },
      )
      await sleep(500)
      add('flood', (await percentile(0.99, () => server.ask(get))) / before)
      flood.kill()
      await sleep(3_000)
    }
    if (wants('get')) {
      const login = await logIn()
      const get = () => server.ask(peer.get(login))
      await inParallel(12_000, get, 16)
      const before = cpuOf(server.group)
      await inParallel(4_000, get, 16)
      add('get', ((cpuOf(server.group) - before) / 4_000) * 1_000)
    }
    if (wants('refresh', 'logout')) {
      const sessions = await logInQuickly()
      const refresh = async (nth) => {
        const answer = peer.read(await server.ask(peer.refresh(sessions[nth % 128])))
        if (!peer.keepsToken) sessions[nth % 128] = answer
      }
      await inParallel(128, refresh)
      // A session is refreshed by one client at a time.
      let done = 0
      const began = performance.now()
      await inParallel(128, async (nth) => {
        for (; done < 1_280; done += 1) await refresh(nth)
      })
      add('refresh', (done / (performance.now() - began)) * 1_000)
      const logOut = () => server.ask(peer.logout(sessions.pop()))
      await inParallel(Math.floor(sessions.length / 3), logOut)
      add('logout', await rate(sessions.length, logOut))
    }
    if (wants('login', 'of raw', 'peak', 'rest')) {
      const end = performance.now() + 10_000
      const began = performance.now()
      let logins = 0
      await inParallel(16, async () => {
        for (; performance.now() < end; logins += 1) await logIn(logins)
      })
      add('login', (logins / (performance.now() - began)) * 1_000)
      add('peak', memoryOf(server.group))
      if (name === 'gatehouse' && wants('of raw'))
        add('of raw', found[name].login.at(-1) / (await rawRate()))
      if (wants('rest')) {
        await sleep(15_000)
        add('rest', memoryOf(server.group))
      }
    }
  } finally {
    await server.stop()
  }
}

/** Of the times that `work` takes in five seconds, one after the other. */
async function percentile(part, work) {
  const times = []
  for (const end = performance.now() + 5_000; performance.now() < end;) {
    const began = performance.now()
    await work()
    times.push(performance.now() - began)
    await sleep(2)
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * part)]
}

/** Hashes a second with one hash for each core at a time, in this process. */
async function rawRate() {
  const options = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 }
  const end = performance.now() + 4_000
  const began = performance.now()
  let hashes = 0
  await inParallel(cpus().length, async () => {
    for (; performance.now() < end; hashes += 1) await argon2.hash(accounts[0].password, options)
  })
  return (hashes / (performance.now() - began)) * 1_000
}

async function start(name) {
  const port = await freePort()
  const began = performance.now()
  const child = startPeer(name, { port, databaseUrl: databaseOf(name), dataDir })
  const agent = new Agent({ keepAlive: true })
  const ask = (request) => send(agent, port, request)
  for (;;) {
    const isUp = await ask({ method: 'GET', path: peers[name].health, headers: {} }).then(
      () => true,
      () => false,
    )
    if (isUp) break
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    await sleep(5)
  }
  return {
    startMs: performance.now() - began,
    group: child.pid,
    port,
    ask,
    async stop() {
      agent.destroy()
      const exit = once(child, 'exit')
      process.kill(-child.pid, 'SIGKILL')
      await exit
    },
  }
}

/** Sends a request. Fails unless it succeeds. @returns its headers and its JSON body */
function send(agent, port, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { agent, port, host: '127.0.0.1', method, path, headers },
      (reply) => {
        let text = ''
        reply.setEncoding('utf8').on('data', (part) => (text += part))
        reply.on('error', reject).on('end', () => {
          if (reply.statusCode >= 300)
            reject(new Error(`${method} ${path}: ${reply.statusCode} ${text}`))
          else resolve({ headers: reply.headers, body: JSON.parse(text) })
        })
      },
    )
    request.on('error', reject).end(body)
  })
}

/** The median of each measure with its spread, and how many times better Gatehouse is than each peer. */
function report() {
  const rows = Object.entries(measures).filter(
    ([name]) => found.gatehouse?.[name] ?? found[names[0]]?.[name],
  )
  console.log(`| | ${names.join(' | ')} |\n|---|${'---|'.repeat(names.length)}`)
  for (const [measure, { unit, isCost }] of rows) {
    const own = found.gatehouse?.[measure]
    const cells = names.map((name) => {
      const results = found[name][measure]
      if (!results) return '–'
      const text = `${format(median(results))} (${format(Math.min(...results))}–${format(Math.max(...results))})`
      if (name === 'gatehouse' || !own) return text
      const ratio = median(own) / median(results)
      return `${text} × ${format(isCost ? 1 / ratio : ratio)}`
    })
    console.log(`| ${unit} | ${cells.join(' | ')} |`)
  }
  const { git, machine } = save()
  console.log(
    `\n${git}, Node.js ${process.version}, ${machine.cores} cores of ${machine.cpu}; × how many times better Gatehouse is`,
  )
}

/** Writes what was found so far to results.json. */
function save() {
  const git = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  const machine = {
    node: process.version,
    kernel: release(),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
  }
  writeFileSync(
    new URL('results.json', import.meta.url),
    JSON.stringify({ git, at: new Date().toISOString(), machine, found }, undefined, 2),
  )
  return { git, machine }
}

function format(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2)
}
