// Twenty pictures sent at the same time, over and over: how long does a token check take meanwhile, beside
// one on an idle server? DATABASE_URL names an empty database; run it after `npm run build`.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'

const port = 3991
const origin = `http://127.0.0.1:${port}`
const seconds = Number(process.argv[2] ?? 10)

const server = spawn(process.execPath, ['dist/server.js'], {
  env: { ...process.env, PORT: String(port), RATE_LIMIT: 'off', LOG_LEVEL: 'error' },
  stdio: 'inherit',
})
process.on('exit', () => server.kill())
const ready = () => fetch(`${origin}/health/ready`).then(({ ok }) => ok)
while (!(await ready().catch(() => false))) await sleep(100)

async function post(path, value) {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(origin + path, {
    method: 'POST',
    headers,
    body: JSON.stringify(value),
  })
  return answer.json()
}
async function signUp(email) {
  const account = { email, password: 'correct horse battery' }
  await post('/api/register', account)
  const { access_token } = await post('/api/login', account)
  return { authorization: `Bearer ${access_token}` }
}

const picture = await sharp({
  create: {
    width: 2_400,
    height: 1_600,
    channels: 3,
    background: '#888',
    noise: { type: 'gaussian', mean: 128, sigma: 30 },
  },
})
  .jpeg()
  .toBuffer()

async function upload(headers, until) {
  let count = 0
  while (performance.now() < until) {
    const body = new FormData()
    body.set('picture', new Blob([picture], { type: 'image/jpeg' }), 'picture.jpg')
    const { status } = await fetch(`${origin}/api/upload-picture`, {
      method: 'POST',
      headers,
      body,
    })
    if (status === 200) count += 1
    else if (status !== 503) throw new Error(`an upload was answered with ${status}`)
  }
  return count
}
async function check(headers, until) {
  const times = []
  while (performance.now() < until) {
    const start = performance.now()
    const { status } = await fetch(`${origin}/api/user`, { headers })
    if (status !== 200) throw new Error(`a check was answered with ${status}`)
    times.push(performance.now() - start)
    await sleep(10)
  }
  return times.sort((a, b) => a - b)
}
const at = (times, share) => times[Math.floor((times.length - 1) * share)].toFixed(1)

const users = []
for (let n = 0; n < 20; n += 1) users.push(await signUp(`u${n}@example.org`))
const reader = await signUp('reader@example.org')
await check(reader, performance.now() + 1_000)
console.log(`a picture of ${(picture.length / 1_024).toFixed(0)} KB\n`)
console.log('| GET /api/user | median ms | p99 ms |\n|---|---|---|')
const idle = await check(reader, performance.now() + seconds * 1_000)
console.log(`| idle | ${at(idle, 0.5)} | ${at(idle, 0.99)} |`)
const until = performance.now() + seconds * 1_000
const [busy, ...counts] = await Promise.all([
  check(reader, until),
  ...users.map((user) => upload(user, until)),
])
console.log(`| beside 20 uploads | ${at(busy, 0.5)} | ${at(busy, 0.99)} |`)
console.log(`\n${counts.reduce((sum, count) => sum + count, 0)} pictures were set meanwhile`)
process.exit()
