import Fastify, { type FastifyRequest } from 'fastify'
import t from 'tap'
import {
  addCookieLines,
  cookieValues,
  expired,
  expiredElsewhere,
  setCookie,
} from '../../src/http/cookies.js'

const attributes = { path: '/', httpOnly: true, sameSite: 'lax' } as const

t.test('only the last Set-Cookie per name, path and domain is sent', async (t) => {
  const app = Fastify()
  app.get('/', (_request, reply) => {
    setCookie(reply, 'session', 'one', attributes)
    setCookie(reply, 'session-of-another', 'x', attributes)
    addCookieLines(reply, ['session=; Max-Age=0; Domain=example.org; Path=/'])
    addCookieLines(reply, [expired('session', attributes)])
    setCookie(reply, 'session', 'two', attributes)
    return reply.send('')
  })
  t.same((await app.inject('/')).headers['set-cookie'], [
    'session-of-another=x; Path=/; HttpOnly; SameSite=Lax',
    'session=; Max-Age=0; Domain=example.org; Path=/',
    'session=two; Path=/; HttpOnly; SameSite=Lax',
  ])
})

t.test('a cookie is read by its exact name, as often as it comes', async (t) => {
  const table: [string | undefined, string[]][] = [
    [undefined, []],
    ['', []],
    ['session', []],
    ['xsession=1', []],
    ['x="session=1"', []],
    ['x=session=1', []],
    ['Session=1', []],
    ['session=', ['']],
    ['session=%41', ['A']],
    ['session=%E0%A4%A', ['%E0%A4%A']],
    ['session=a=b', ['a=b']],
    ['a=1; session=2; session=3', ['2', '3']],
    ['session=2;session=2', ['2', '2']],
    ['session; session=1', ['1']],
    ['\tsession\t=\t1', ['1']],
    // What a wider trim would take for a space; browsers let every host set such a name.
    ...['\u00a0', '\u0085', '\u000b', '\u000c', '\u2003', '\ufeff'].map(
      (space): [string, string[]] => [`${space}session=1; session${space}=2`, []],
    ),
  ]
  for (const [cookie, values] of table) {
    const request = { headers: { cookie } } as unknown as FastifyRequest
    t.strictSame(cookieValues(request, 'session'), values, JSON.stringify(cookie))
  }
})

const places = (lines: string[]) => lines.map((line) => line.replace('session=; Max-Age=0; ', ''))

t.test('a cookie is removed from every path and domain that another host can set', async (t) => {
  t.strictSame(places(expiredElsewhere('auth.Example.org', 'session', '/app/page?x=/y/z')), [
    'Domain=auth.example.org; Path=/',
    'Domain=example.org; Path=/',
    ...['/app', '/app/', '/app/page'].flatMap((path) => [
      `Path=${path}`,
      `Domain=auth.example.org; Path=${path}`,
      `Domain=example.org; Path=${path}`,
    ]),
  ])
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '', 'a..b', 'a;b.example', '-a.example']) {
    t.strictSame(places(expiredElsewhere(host, 'session', '/api')), ['Path=/api'], host)
  }
})

t.test('no request makes a header that is long or broken', async (t) => {
  const deep = expiredElsewhere(`${'a.'.repeat(100)}example.org`, 'session', '/a/b'.repeat(40))
  t.ok(deep.length <= 20)
  for (const target of [
    '/a;b',
    '/a b',
    '/a\u00e9',
    '/a\r\nx: y',
    'a',
    '',
    `/${'a'.repeat(9_999)}`,
  ]) {
    t.strictSame(expiredElsewhere('localhost', 'session', target), [], target.slice(0, 20))
  }
})
