import t, { type Test } from 'tap'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import { createAdmin, type Client } from '../../support/http/client.js'

async function service(t: Test, env: Record<string, string> = {}) {
  const test = await testApp(t, { env })
  const admin = await createAdmin(test)
  return { ...test, admin, get: getter(test, admin) }
}

const getter =
  ({ app }: TestApp, { login }: Client) =>
  (url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    app.inject({ method, url, headers: { ...bearer(login.access_token), ...headers } })

const csv = { accept: 'text/csv' }

const header =
  'id,name,username,email,mobile,gender,email_verified,mobile_verified,active,roles,picture_url,' +
  'readme_url,created_at,updated_at,activated_at,disabled_at,email_verified_at,mobile_verified_at,' +
  'last_login_at'

t.test('a client that prefers text/csv gets the users as a file', async (t) => {
  const { get, admin } = await service(t)
  await admin.send('POST', '/api/users', {
    ...{ email: 'ada@example.net', mobile: '+44 1632 960960', username: 'ada' },
    name: '=HYPERLINK("https://example.org", "x")',
  })
  const answer = await get('/api/users?sort=email&search=ada', csv)
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': 'attachment; filename="users.csv"',
    'cache-control': 'no-store',
    vary: /Accept/,
  })
  const [names, row = '', ...rest] = answer.body.split('\r\n')
  t.equal(names, header)
  t.strictSame(rest, [''], 'the last line ends too')
  t.match(
    row,
    `,"'=HYPERLINK(""https://example.org"", ""x"")",ada,ada@example.net,'+44 1632 960960,,`,
  )
  t.match(row, /,true,true,false,user,,,20[^,]*Z,20[^,]*Z,,,20[^,]*Z,20[^,]*Z,$/)
})

t.test('the form of the answer is what the client prefers', async (t) => {
  const { get } = await service(t)
  const rows: [accept: string, type: RegExp][] = [
    ['text/csv', /^text\/csv/],
    ['text/csv, application/json;q=0.5', /^text\/csv/],
    ['*/*', /^application\/json/],
    ['application/json, text/csv;q=0.9', /^application\/json/],
    ['text/html', /^application\/json/],
  ]
  for (const path of ['/api/users', '/api/audit']) {
    for (const [accept, type] of rows) {
      const { headers } = await get(path, { accept })
      t.match(headers, { 'content-type': type, vary: /Accept/ }, `${path} ${accept}`)
    }
  }
})

t.test('pages, Link and the count are those of JSON', async (t) => {
  const { get, admin } = await service(t)
  for (let at = 0; at < 5; at += 1) {
    await admin.send('POST', '/api/users', { email: `p${String(at)}@example.net` })
  }
  const path = '/api/users?sort=-email&limit=2&total=true'
  const json = await get(path)
  const first = await get(path, csv)
  t.equal(first.headers.link, json.headers.link)
  t.equal(first.headers['x-total-count'], '6')
  t.equal(json.headers['x-total-count'], undefined)
  t.equal((await get(path, csv, 'HEAD')).headers['x-total-count'], '6')
  const emails: (string | undefined)[] = []
  let url: string | undefined = path
  while (url !== undefined) {
    const { body, headers }: Awaited<ReturnType<typeof get>> = await get(url, csv)
    const lines = body.split('\r\n').slice(1, -1)
    emails.push(...lines.map((line) => line.split(',')[3]))
    url = /<([^>]*)>/.exec(String(headers.link))?.[1]?.replace(/^https?:\/\/[^/]*/, '')
  }
  t.strictSame(emails, [...[4, 3, 2, 1, 0].map((at) => `p${String(at)}@example.net`), emails[5]])
  const none = await get('/api/users?search=nobody', csv)
  t.equal(none.body, `${header}\r\n`)
  t.equal(none.headers.link, undefined)
  t.equal(none.headers['x-total-count'], undefined)
})

t.test('an error is JSON, and CSV needs the role too', async (t) => {
  const { get, app } = await service(t)
  const faulty = await get('/api/users?sort=name', csv)
  t.equal(faulty.statusCode, 400)
  t.match(faulty.json(), { code: 'validation_failed', errors: [{ field: 'sort' }] })
  t.match(faulty.headers['content-type'], /^application\/json/)
  t.equal((await app.inject({ url: '/api/users', headers: csv })).statusCode, 401)
})

t.test('pages of other origins may read Link and the count, and Vary keeps Origin', async (t) => {
  const origin = 'https://app.example.org'
  const { get } = await service(t, { CORS_ORIGINS: origin })
  const { headers } = await get('/api/users?total=true', { ...csv, origin })
  t.equal(headers.vary, 'Origin, Accept')
  const exposed = String(headers['access-control-expose-headers']).split(/, */)
  for (const name of ['Link', 'X-Total-Count']) t.ok(exposed.includes(name), name)
})
