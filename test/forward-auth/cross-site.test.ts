import t from 'tap'
import { signedIn, type Headers } from '../support/forward-auth.js'

const own = 'http://localhost:3000'
const strangers: Headers[] = [
  { origin: 'https://evil.example' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'same-site' },
  { origin: 'null' },
]
const friends: Headers[] = [
  {},
  { 'sec-fetch-site': 'same-origin' },
  { origin: own },
  { origin: 'https://spa.example' },
  { origin: 'https://spa.example', 'sec-fetch-site': 'cross-site' },
  {
    'x-forwarded-host': 'app.example',
    'x-forwarded-proto': 'https',
    origin: 'https://app.example',
  },
]

t.test('with a cookie, another site can only send safe requests', async (t) => {
  const { ask, access_token, token } = await signedIn(t, { CORS_ORIGINS: 'https://spa.example' })
  // Over https, a browser's cookies need the prefix __Host-.
  const cookieFor = (from: Headers) => ({
    cookie: `${from['x-forwarded-proto'] ? '__Host-' : ''}session=${access_token}`,
  })
  const cookie = cookieFor({})
  const posts: [string, Headers][] = [
    ['GET', { 'x-forwarded-method': 'POST' }],
    ['GET', { 'x-original-method': 'POST' }],
    ['GET', { 'x-forwarded-method': 'GET', 'x-original-method': 'DELETE' }],
    ['POST', {}],
    ['POST', { 'x-forwarded-method': 'GET' }],
  ]
  for (const [method, says] of posts) {
    const send = (by: Headers, from: Headers) => ask({ ...by, ...says, ...from }, undefined, method)
    const name = `${method} ${JSON.stringify(says)}`
    const crossing = { 'sec-fetch-site': 'cross-site' }
    for (const from of [...strangers, crossing]) {
      const answer = await send(cookie, from)
      t.match(answer.json(), { code: 'cross_site_request' }, `${name} ${JSON.stringify(from)}`)
      t.equal((await send(token, from)).statusCode, 200, `${name}: a bearer token needs no check`)
    }
    for (const from of friends) {
      const { statusCode } = await send(cookieFor(from), from)
      t.equal(statusCode, 200, `${name} ${JSON.stringify(from)}`)
    }
  }
  for (const from of strangers) {
    t.equal(
      (await ask({ ...cookie, ...from })).statusCode,
      403,
      'a GET with Origin may open a WebSocket',
    )
  }
  for (const from of [
    ...friends,
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'none' },
  ]) {
    t.equal(
      (await ask({ ...cookieFor(from), ...from })).statusCode,
      200,
      'a link from another site is allowed',
    )
  }
})

t.test('a preflight request is authenticated, not answered by CORS', async (t) => {
  const { ask, token } = await signedIn(t, { CORS_ORIGINS: 'https://spa.example' })
  const preflight = { origin: 'https://spa.example', 'access-control-request-method': 'POST' }
  for (const headers of [preflight, {}, { origin: 'https://spa.example' }] as Headers[]) {
    for (const url of ['/forward-auth', '/forward-auth/role/admin']) {
      const answer = await ask(headers, url, 'OPTIONS')
      t.equal(answer.statusCode, 401, `${url} ${JSON.stringify(headers)}`)
      t.equal(answer.headers['access-control-allow-origin'], undefined)
    }
  }
  t.equal((await ask({ ...preflight, ...token }, undefined, 'OPTIONS')).statusCode, 200)
})
