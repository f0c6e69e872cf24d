import { request } from 'node:http'
import t from 'tap'
import { mailingApp } from '../../support/smtp-sink.js'

const PUBLIC_URL = 'https://auth.example.org'
const { sink, origin, sql, post, call, activeAccount, untilSent } = await mailingApp(t, {
  PUBLIC_URL,
})
const ada = { email: 'ada@example.org', password: 'correct horse battery' }
const new_password = 'a better horse battery'

t.test('a link that is opened twenty times is used up by its form alone, once', async (t) => {
  const email = 'ada@example.com'
  const codes = () => sql('select id, attempts, used_at from one_time_codes')
  await post('/api/register', ada)

  /** @returns the statuses of one form, sent five times at once */
  async function useUp(link: string, fields: Record<string, string> = {}) {
    const { pathname, search, searchParams } = new URL(link)
    const before = await codes()
    for (let n = 0; n < 10; n += 1) {
      t.equal((await fetch(origin + pathname + search, { method: 'HEAD' })).status, 200)
      const page = await fetch(origin + pathname + search)
      t.equal(page.status, 200)
      t.equal(page.headers.get('cache-control'), 'no-store')
      t.equal(page.headers.get('referrer-policy'), 'same-origin')
      t.ok((await page.text()).includes(searchParams.get('token')!))
    }
    t.same(await codes(), before)
    const form = { token: searchParams.get('token')!, ...fields }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        fetch(origin + pathname, { method: 'POST', body: new URLSearchParams(form) }),
      ),
    )
    return answers.map(({ status }) => status).sort()
  }
  const once = [200, 400, 400, 400, 400]

  t.same(await useUp((await sink.next(ada.email)).link), once)
  const { access_token } = (await post('/api/login', ada)).body
  await call('PATCH', '/api/user', { email }, access_token)
  t.same(await useUp((await sink.next(email)).link), once)
  t.match((await sink.next(ada.email)).subject, /has another e-mail address$/)
  await post('/api/password/forgot', { email })
  t.same(await useUp((await sink.next(email)).link, { new_password }), once)
  t.equal((await post('/api/login', { email, password: new_password })).status, 200)
  t.equal((await post('/api/login', { email, password: ada.password })).status, 401)
})

t.test('a weak password leaves the link as it was, and the page says what is wrong', async (t) => {
  const { email } = ada
  await activeAccount(ada)
  await post('/api/password/forgot', { email })
  const { token } = await sink.next(email)
  const submit = (password: string) =>
    fetch(`${origin}/reset`, {
      method: 'POST',
      body: new URLSearchParams({ token, new_password: password }),
    })
  const weak = await submit('password123')
  t.equal(weak.status, 400)
  t.match(await weak.text(), /role="alert"/)
  t.equal((await submit(new_password)).status, 200)
})

t.test('what a page shows of its token is escaped', async (t) => {
  const token = '"><script>alert(1)</script>'
  for (const path of ['/activate', '/reset', '/confirm']) {
    const shown = await fetch(`${origin}${path}?token=${encodeURIComponent(token)}`)
    t.notMatch(await shown.text(), '<script')
    t.match(shown.headers.get('content-security-policy'), /default-src 'none'/)
    const refused = await fetch(origin + path, {
      method: 'POST',
      body: new URLSearchParams({ token, new_password }),
    })
    t.equal(refused.status, 400)
    t.notMatch(await refused.text(), '<script')
  }
})

t.test('no request decides which host a link names', async (t) => {
  const email = 'host@example.org'
  await activeAccount({ ...ada, email })
  const forged: Record<string, string>[] = [
    { host: 'evil.example' },
    { 'x-forwarded-host': 'evil.example' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', 'x-forwarded-port': '81' },
    { forwarded: 'host=evil.example;proto=http' },
    { origin: 'https://evil.example', referer: 'https://evil.example/' },
    { 'x-original-url': 'https://evil.example/', 'x-forwarded-prefix': '//evil.example' },
  ]
  for (const headers of forged) {
    const status = await send(`${origin}/api/password/forgot`, headers, { email })
    t.equal(status, 202)
    const { link, raw, id } = await sink.next(email)
    t.match(link, /^https:\/\/auth\.example\.org\/reset\?token=[\w-]{43}$/)
    t.match(id, /^<[\w-]{36}\.1@auth\.example\.org>$/)
    t.notMatch(raw, 'evil.example')
  }
})

t.test('no address and no name puts a line of its own into a mail', async (t) => {
  const email = 'bob@example.org'
  await untilSent()
  const before = sink.mails.length
  const accounts = [
    { email: 'bob@example.org\r\nBcc: eve@example.org' },
    { email: 'bob@example.org\nBcc: eve@example.org' },
    { email: 'bob@example.org, eve@example.org' },
    { email: '"bob\r\nBcc: eve@example.org"@example.org' },
    { email: 'bob@example.org>\r\nRCPT TO:<eve@example.org' },
    { email: 'bob@example.org\u2028Bcc: eve@example.org' },
    { email, name: 'Bob\r\nBcc: eve@example.org' },
    { email, name: 'Bob\nBcc: eve@example.org' },
    { email, gender: 'm\r\nBcc: eve@example.org' },
  ]
  for (const account of accounts) {
    const answer = await post('/api/register', { ...account, password: ada.password })
    t.match(
      answer,
      { status: 400, body: { code: 'validation_failed' } },
      encodeURI(JSON.stringify(account)),
    )
    if (account.email === email) continue
    for (const path of ['/api/password/forgot', '/api/activate/resend']) {
      t.equal((await post(path, { email: account.email })).status, 400)
    }
  }
  const name = 'Bob <eve@example.org>, Eve'
  t.equal((await post('/api/register', { email, name, password: ada.password })).status, 201)
  await untilSent()
  const [mail, ...more] = sink.mails.slice(before)
  t.same(more, [])
  t.match(mail!.head, /^To: bob@example\.org$/m)
  t.notMatch(mail!.raw, /eve@example|^bcc/im)
})

/** By node:http, because fetch would not send a Host of ours. */
function send(url: string, headers: Record<string, string>, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
    request(url, options, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
    })
      .on('error', reject)
      .end(JSON.stringify(body))
  })
}
