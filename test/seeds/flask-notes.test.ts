import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { hash } from 'argon2'
import { listeningApp, type TestApp } from '../support/app.js'

/** What curl prints for a command; where there is no curl, the answer to the bytes that it would send. */
async function curl(...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)('curl', ['-s', '-i', ...args])).stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return sendAsCurl(args)
  }
}

async function sendAsCurl(args: string[]): Promise<string> {
  const after = (flag: string) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined)
  const url = new URL(args.find((arg) => arg.startsWith('http:')) ?? '')
  const body = after('-d') ?? ''
  const cookie = after('--cookie')
  const head = [
    `${after('-X') ?? 'GET'} ${url.pathname} HTTP/1.1`,
    `Host: ${url.host}`,
    'User-Agent: curl/7.88.1',
    'Accept: */*',
    ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]),
    ...(body === '' ? [] : [after('-H') ?? '', `Content-Length: ${Buffer.byteLength(body)}`]),
    'Connection: close',
  ]
  const socket = connect(Number(url.port), url.hostname)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return (await socket.setEncoding('utf8').toArray()).join('')
}

/** An account as the old system left it, with a password that ours would not take for a new one. */
async function moveIn({ sql, app }: TestApp, name: string, email: string, password: string) {
  await app.inject({
    method: 'POST',
    url: '/api/register',
    payload: { name, email, password: 'to be replaced' },
  })
  const old = await hash(password, { memoryCost: 1_024, timeCost: 1, parallelism: 1 })
  await sql('update users set password_hash = $2 where email = $1', [email, old])
}

/** The notes' own command, but for the port. */
const curlLogin = (origin: string, body: string) =>
  curl('-X', 'POST', `${origin}/api/login`, '-H', 'Content-Type: application/json', '-d', body)

const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)

t.test('the curl line that logs in, and the one that asks who is', async (t) => {
  const test = await listeningApp(t)
  await moveIn(test, 'aruncs', 'test@gmail.com', 'simplepass')
  const answer = await curlLogin(
    test.origin,
    '{\n "password": "simplepass", "email": "test@gmail.com"}',
  )
  t.match(answer, /^HTTP\/1\.1 200 OK/)
  t.match(JSON.parse(bodyOf(answer)), { status: 'success', message: 'Login successful!' })
  const session = /^set-cookie: session=([^;]+);.*$/im.exec(answer)
  t.match(session?.[0], /HttpOnly/)
  t.match(session?.[0], /Path=\//)

  const cookie = `session=${session?.[1]}`
  const root = await curl(`${test.origin}/`, '--cookie', cookie)
  t.match(JSON.parse(bodyOf(root)), {
    status: 'success',
    user: { email: 'test@gmail.com', name: 'aruncs' },
  })
})

t.test('signed out, the root answers 401 "Not logged in"', async (t) => {
  const { origin } = await listeningApp(t)
  const old = 'session=eyJlbWFpbCI6InRlc3RAZ21haWwuY29tIn0.aGr_AA.YPS7NYQnu1Iwb3x-zSAoGv_4SbA'
  for (const cookie of [[], ['--cookie', old]]) {
    const answer = await curl(`${origin}/`, ...cookie)
    t.match(answer, /^HTTP\/1\.1 401 /)
    t.match(JSON.parse(bodyOf(answer)), { status: 'error', message: 'Not logged in' })
  }
})

t.test('a wrong password and an unknown e-mail get the same bytes', async (t) => {
  const test = await listeningApp(t)
  await moveIn(test, 'aruncs', 'test@gmail.com', 'simplepass')
  const wrong = await curlLogin(
    test.origin,
    '{"password": "simplepath", "email": "test@gmail.com"}',
  )
  const unknown = await curlLogin(
    test.origin,
    '{"password": "simplepass", "email": "best@gmail.com"}',
  )
  t.match(wrong, /^HTTP\/1\.1 401 /)
  t.match(JSON.parse(bodyOf(wrong)), { status: 'error', message: 'Invalid credentials' })
  const comparable = (answer: string) => answer.replaceAll(/^(date|x-request-id): .*$/gim, '')
  t.equal(comparable(wrong), comparable(unknown))
})

t.test("the frontend's fetch code logs in, and its token calls the API", async (t) => {
  const test = await listeningApp(t)
  await moveIn(test, 'User', 'user@example.com', 'password123')
  const response = await fetch(`${test.origin}/api/login`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
    },
    body: JSON.stringify({ email: 'user@example.com', password: 'password123' }),
  })
  const data = (await response.json()) as { status: string; access_token: string }
  t.equal(data.status, 'success')
  t.match(data.access_token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  const user = await fetch(`${test.origin}/api/user`, {
    headers: { Authorization: `Bearer ${data.access_token}` },
  })
  t.match(await user.json(), { status: 'success', user: { email: 'user@example.com' } })
})
