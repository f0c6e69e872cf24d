import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession, type Answered } from '../support/browser-session.js'

const evil = `"'><script>alert(1)</script>&lt;`

/** The attributes of every tag of a name. */
function tags(html: string, name: string): Record<string, string>[] {
  return [...html.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'g'))].map(([, text = '']) =>
    Object.fromEntries(
      [...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [
        key,
        value,
      ]),
    ),
  )
}

async function site(t: Test, env: Record<string, string> = {}) {
  const { app, origin } = await listeningApp(t, { env })
  await signUp(app, { ...ada, name: evil })
  const visitor = browserSession(origin)
  const user = browserSession(origin)
  await user.post('/login', { username: ada.email, password: ada.password })
  return { origin, visitor, user }
}

/** Every page, without and with errors. */
async function allPages({ visitor, user }: Awaited<ReturnType<typeof site>>) {
  const query = encodeURIComponent(evil)
  const pages: Record<string, Answered> = {}
  for (const path of [
    '/',
    '/login',
    '/register',
    '/forgot',
    '/activate',
    '/reset',
    '/confirm',
    '/not-me',
  ]) {
    pages[path] = await visitor.get(`${path}?token=${query}&next=${query}`)
  }
  const registration = { name: evil, username: evil, email: evil, password: evil }
  pages['/login, wrong'] = await visitor.post('/login', {
    username: evil,
    password: evil,
    next: evil,
  })
  pages['/register, wrong'] = await visitor.post('/register', registration)
  pages['/forgot, wrong'] = await visitor.post('/forgot', { address: evil })
  pages['/activate, wrong'] = await visitor.post('/activate', { token: evil })
  pages['/reset, wrong'] = await visitor.post('/reset', { token: evil, new_password: evil })
  const typed = { address: evil, code: evil, new_password: evil }
  for (const path of ['/activate/code', '/reset/code', '/confirm/code']) {
    pages[path] = await visitor.get(path)
    pages[`${path}, wrong`] = await visitor.post(path, typed)
  }
  pages['/activate/resend'] = await visitor.get('/activate/resend')
  pages['/forgot, sent'] = await visitor.post('/forgot', { address: ada.email })
  pages['/confirm, wrong'] = await visitor.post('/confirm', { token: evil })
  pages['/not-me, wrong'] = await visitor.post('/not-me', { token: evil })
  pages['/, signed in'] = await user.get('/')
  pages['/welcome'] = await user.get('/welcome')
  pages['/logout, from elsewhere'] = await user.get('/logout', { 'sec-fetch-site': 'cross-site' })
  return pages
}

t.test('a page runs at most the script for passkeys, and none from a form field', async (t) => {
  const pages = await allPages(await site(t))
  for (const [name, { headers, html }] of Object.entries(pages)) {
    t.match(headers.get('content-type'), 'text/html; charset=utf-8', name)
    const style = /<style>([^]*?)<\/style>/.exec(html)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    const hasScript = name.startsWith('/login')
    t.equal(
      headers.get('content-security-policy'),
      [
        "default-src 'none'",
        ...(hasScript ? ["script-src 'self'", "connect-src 'self'"] : []),
        `style-src 'sha256-${hash}'`,
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ].join('; '),
      name,
    )
    t.equal(headers.get('x-content-type-options'), 'nosniff', name)
    t.equal(headers.get('cache-control'), 'no-store', name)
    t.equal(headers.get('referrer-policy'), 'same-origin', name)
    t.equal(headers.get('cross-origin-opener-policy'), 'same-origin', name)
    const own = '<script type="module" src="/passkeys.js"></script>'
    t.equal(html.includes(own), hasScript, name)
    t.notMatch(html.replace(own, ''), /<script/i, name)
    t.notMatch(html, /<[^>]* (on\w+|style)=/i, name)
    t.notMatch(html, /javascript:/i, name)
  }
})

t.test('pages show typed values escaped', async (t) => {
  const pages = await allPages(await site(t))
  const escaped = '&lt;script&gt;alert(1)&lt;/script&gt;&amp;lt;'
  const shows = (name: string, times: number) => {
    const html = pages[name]?.html.replace(/(?<=script)>/g, '&gt;') ?? ''
    t.equal(html.split(escaped).length - 1, times, name)
  }
  shows('/login', 0) // `next` is shown percent-encoded, as safeNext() returns it
  shows('/login, wrong', 1)
  shows('/register, wrong', 3)
  shows('/forgot, wrong', 1)
  shows('/activate', 0) // a link that is not valid is not shown
  shows('/reset, wrong', 0)
  shows('/reset/code, wrong', 2)
  shows('/, signed in', 4)
  shows('/welcome', 4)
})

t.test('form-action lists CORS_ORIGINS, to which a login may redirect', async (t) => {
  const { visitor } = await site(t, { CORS_ORIGINS: 'https://app.example.org,https://b.example' })
  const policy = (await visitor.get('/login')).headers.get('content-security-policy')
  t.match(policy, "form-action 'self' https://app.example.org https://b.example;")
})

t.test('every field has a label, and every id is unique on its page', async (t) => {
  const pages = await allPages(await site(t))
  let count = 0
  for (const [name, { html }] of Object.entries(pages)) {
    const labels = tags(html, 'label').map((label) => label.for)
    for (const { type, id = '' } of tags(html, 'input')) {
      if (type === 'hidden') continue
      count += 1
      t.equal(labels.filter((label) => label === id).length, 1, `${name}: ${id}`)
    }
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
    t.equal(new Set(ids).size, ids.length, name)
    t.match(html, /<html lang="en">/, name)
  }
  t.ok(count >= 15, 'the pages have fields')
})

t.test('fields have autocomplete values for password managers', async (t) => {
  const { visitor } = await site(t)
  const known: Record<string, Record<string, string>> = {
    '/login': { username: 'username webauthn', password: 'current-password' },
    '/register': {
      name: 'name',
      username: 'username',
      email: 'email',
      password: 'new-password',
    },
    '/forgot': { address: 'username' },
    '/reset/code': { address: 'username', code: 'one-time-code', new_password: 'new-password' },
  }
  for (const [path, expected] of Object.entries(known)) {
    const fields = tags((await visitor.get(path)).html, 'input')
    const typed = fields.filter(({ type }) => type !== 'hidden')
    t.strictSame(Object.fromEntries(typed.map((it) => [it.name, it.autocomplete])), expected, path)
    for (const { name = '', type } of typed) {
      t.equal(type === 'password', name.endsWith('password'), `${path}: ${name}`)
    }
  }
})

t.test('the error of a field is linked to it by aria-describedby', async (t) => {
  const { visitor } = await site(t)
  const good = { name: 'Eve', email: 'eve@example.org', password: ada.password }
  const table: [string, Record<string, string>, string, string][] = [
    ['/register', { ...good, email: 'eve' }, 'email', 'E-mail must be an e-mail address.'],
    [
      '/register',
      { ...good, password: 'short' },
      'password',
      'Password must have at least 8 characters.',
    ],
    [
      '/register',
      { ...good, username: '-' },
      'username',
      'Username must be 1 to 64 letters and digits',
    ],
    ['/register', { ...good, email: ada.email }, 'email', 'E-mail is already used.'],
    ['/forgot', { address: 'eve' }, 'address', 'Enter an e-mail address or a mobile number.'],
  ]
  for (const [path, fields, name, message] of table) {
    const { status, html } = await visitor.post(path, fields)
    const what = `${path}: ${name}`
    t.ok(status === 400 || status === 409, what)
    const bad = tags(html, 'input').filter((input) => input['aria-invalid'] === 'true')
    t.strictSame(
      bad.map((input) => input.name),
      [name],
      what,
    )
    const [id] = bad.map((input) => input['aria-describedby'])
    t.equal(id, `${name}-fault`, what)
    t.match(html, `<small class="fault" id="${id}">${message}`, what)
  }
})
