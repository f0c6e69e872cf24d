// How much memory the server takes with its child processes: idle, under load, and after it. `npm run bench:memory`
// in a memory limit of 192 MB if this machine lets it make one (as root on Linux), or `-- --limit=256`. DATABASE_URL
// names a PostgreSQL server on which databases can be made.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import sharp from 'sharp'
import { memoryOf } from './support/group.js'
import { freePort } from './support/free-port.js'
import { inParallel } from './support/parallel.js'

const { values } = parseArgs({ options: { limit: { type: 'string', default: '192' } } })
const root = fileURLToPath(new URL('../', import.meta.url))
const port = await freePort()
const origin = `http://127.0.0.1:${port}`
const name = `bench_memory_${process.pid}`
// The variables of the image.
const ofImage = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072' }
const admin = new pg.Client({ connectionString: process.env.DATABASE_URL })
await admin.connect()
await admin.query(`create database ${name}`)
const database = new URL(process.env.DATABASE_URL)
database.pathname = `/${name}`

const group = makeGroup(Number(values.limit) * 1_048_576)
const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
// The shell joins the group before it becomes the server.
const join = group ? `echo $$ > ${group.path}/cgroup.procs; ` : ''
const server = spawn('/bin/sh', ['-c', `${join}exec ${scripts.start}`], {
  cwd: root,
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...ofImage,
    PATH: process.env.PATH,
    PORT: String(port),
    PUBLIC_URL: origin,
    DATABASE_URL: database.href,
    KEYS_SECRET: 'bench-0123456789-abcdefghij-ABCDEFGHIJ',
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'error',
  },
})
let highest = 0
const sampler = setInterval(() => (highest = Math.max(highest, memoryOf(server.pid))), 50)
const megabytes = {}
try {
  while (!(await fetch(`${origin}/health/ready`).catch(() => undefined))?.ok) await sleep(50)
  await sleep(3_000)
  megabytes.idle = memoryOf(server.pid)
  const sessions = await logIns(1_000)
  megabytes['highest in 1,000 logins'] = highest
  highest = 0
  const picture = await noisyPicture()
  await inParallel(200, (nth) => upload(picture, sessions[nth % 100]), 8)
  megabytes['highest in 200 uploads'] = highest
  highest = 0
  await inParallel(100, async (nth) => {
    let session = sessions[nth]
    for (let round = 0; round < 100; round += 1) session = await refresh(session)
  })
  megabytes['highest in 10,000 refreshes'] = highest
  await sleep(15_000)
  megabytes['15 s later'] = memoryOf(server.pid)
} finally {
  clearInterval(sampler)
  const kills = group?.kills()
  process.kill(-server.pid, 'SIGKILL')
  if (server.exitCode === null) await once(server, 'exit')
  await sleep(500)
  group?.remove()
  await admin.query(`drop database ${name} with (force)`)
  await admin.end()
  console.log('| | memory |\n|---|---|')
  for (const [what, size] of Object.entries(megabytes))
    console.log(`| ${what} | ${size.toFixed(0)} MB |`)
  console.log(
    `\nNode.js ${process.version}, ${group ? `limit ${values.limit} MB, ${kills} processes killed` : 'no limit'}`,
  )
}

/** A group of processes with a limit of memory, of either version of cgroups. Undefined if it cannot be made. */
function makeGroup(limit) {
  const isOld = existsSync('/sys/fs/cgroup/memory')
  const path = `/sys/fs/cgroup/${isOld ? 'memory/' : ''}gatehouse-bench-${process.pid}`
  try {
    mkdirSync(path)
    writeFileSync(`${path}/${isOld ? 'memory.limit_in_bytes' : 'memory.max'}`, String(limit))
  } catch (error) {
    console.error(`without a limit: ${error.message}`)
    return undefined
  }
  const events = `${path}/${isOld ? 'memory.oom_control' : 'memory.events'}`
  return {
    path,
    kills: () => /^oom_kill (\d+)/m.exec(readFileSync(events, 'utf8'))?.[1],
    remove: () => rmdirSync(path),
  }
}

/** A client waits as it is told where the service is overloaded, as on a machine that does other work. */
async function post(path, body, headers = {}) {
  const isForm = body instanceof FormData
  const answer = await fetch(origin + path, {
    method: 'POST',
    headers: { ...(!isForm && { 'content-type': 'application/json' }), ...headers },
    body: isForm ? body : JSON.stringify(body),
  })
  if (answer.status === 503) {
    await sleep(Number(answer.headers.get('retry-after') ?? 1) * 1_000)
    return post(path, body, headers)
  }
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

async function logIns(count) {
  const password = 'correct horse battery'
  const emails = Array.from({ length: 25 }, (_, nth) => `${nth}@example.org`)
  await inParallel(25, (nth) => post('/api/register', { email: emails[nth], password }), 8)
  return inParallel(count, (nth) => post('/api/login', { email: emails[nth % 25], password }), 16)
}

function refresh({ refresh_token }) {
  return post('/api/refresh', { refresh_token })
}

function upload(picture, { access_token }) {
  const body = new FormData()
  body.set('picture', new Blob([picture], { type: 'image/jpeg' }), 'picture.jpg')
  return post('/api/upload-picture', body, { authorization: `Bearer ${access_token}` })
}

function noisyPicture() {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 }
  const create = { width: 2_400, height: 1_600, channels: 3, background: '#888', noise }
  return sharp({ create }).jpeg().toBuffer()
}
