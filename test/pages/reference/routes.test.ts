import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { errors } from '../../../src/errors.js'
import { countDocuments, testApp } from '../../support/app.js'

async function reference(t: Test, env: Record<string, string> = {}) {
  const { app } = await testApp(t, { env })
  const answer = await app.inject('/docs')
  return { app, answer, html: answer.body }
}

const policyOf = (html: string) => {
  const style = /<style>([^]*?)<\/style>/.exec(html)?.[1] ?? ''
  return [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    "img-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

t.test('the style of the page matches its policy, and the page runs no script', async (t) => {
  const { answer, html } = await reference(t)
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(answer.headers['content-security-policy'], policyOf(html))
  t.equal(answer.headers['x-content-type-options'], 'nosniff')
  t.notMatch(html, /<(script|img|iframe|form)\b/)
  t.notMatch(html, /<[^>]* (on\w+|style|src)=/)
})

t.test('the page links only to itself, the home page and the OpenAPI document', async (t) => {
  const { app, html } = await reference(t)
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  t.equal(new Set(ids).size, ids.length, 'every id is unique')
  const links = new Set([...html.matchAll(/ href="([^"]*)"/g)].map(([, href = '']) => href))
  for (const link of links) {
    if (link.startsWith('#')) t.ok(ids.includes(link.slice(1)), link)
  }
  const others = [...links].filter((link) => !link.startsWith('#'))
  t.strictSame(others.sort(), ['/', '/favicon.ico', '/openapi.json'])
  t.equal((await app.inject('/openapi.json')).statusCode, 200)
})

t.test('the page shows every operation of the OpenAPI document and every error', async (t) => {
  const { app, html } = await reference(t)
  const { paths } = app.swagger() as { paths: Record<string, object> }
  const shown = [...html.matchAll(/<h3>.*>(\w+)<\/span> <code>(.*)<\/code><\/h3>/g)].map(
    ([, method = '', path = '']) => `${method.toLowerCase()} ${path}`,
  )
  const listed = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => {
      const isTwin = path.length > 1 && path.endsWith('/')
      const name = /^\/forward-auth(\/mfa)?(\/role\/|$)/.test(path) ? 'any' : method
      return `${name} ${isTwin ? path.slice(0, -1) : path}`
    }),
  )
  t.strictSame(shown.sort(), [...new Set(listed)].sort())
  for (const [code, [status]] of Object.entries(errors)) {
    t.match(html, `<code>${code}</code> <span>${status}</span>`)
  }
})

t.test('a conditional request gets 304 with the same policy', async (t) => {
  const { app, answer, html } = await reference(t)
  const etag = String(answer.headers.etag)
  t.match(etag, /^"[\w-]{43}"$/)
  t.equal(answer.headers['cache-control'], 'public, max-age=300')
  const again = await app.inject({ url: '/docs', headers: { 'if-none-match': etag } })
  t.match(again, { statusCode: 304, body: '', headers: { etag } })
  t.equal(
    again.headers['content-security-policy'],
    policyOf(html),
    'a browser replaces its stored policy',
  )
})

t.test('the page is rendered once, for any Accept header', async (t) => {
  const { app } = await testApp(t)
  const made = countDocuments(app)
  const accepts = ['text/html', 'application/json', '*/*', 'image/png']
  const answers = await Promise.all(
    accepts.map((accept) => app.inject({ url: '/docs', headers: { accept } })),
  )
  t.equal(made(), 1)
  for (const { statusCode, body } of answers) {
    t.equal(statusCode, 200)
    t.equal(body, answers[0]?.body)
  }
})

t.test('values from the configuration are escaped', async (t) => {
  const { html } = await reference(t, { APP_NAME: '<b>Ours</b>', PUBLIC_URL: 'https://a.example' })
  t.match(html, '&lt;b&gt;Ours&lt;/b&gt;')
  t.notMatch(html, '<b>')
  t.match(html, 'http https://a.example/api/login email=ada@example.org')
})
