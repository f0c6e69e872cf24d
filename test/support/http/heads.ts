import type { Case } from './caller.js'
import type { BodySchema } from './route-table.js'

const refused = (name: string, request: Case['request']): Case => ({ name, stage: 'head', request })
const legal = (name: string, request: Case['request']): Case => ({ name, stage: 'legal', request })

const badLines = {
  'a bare CR': 'X: a\rb',
  'a bare LF': 'X: a\nY: b',
  'a bare LF before the end': 'X: a\n',
  'CR CR LF': 'X: a\r',
  'a folded line': 'X: a\r\n b',
  'a line folded with a tab': 'X: a\r\n\tb',
  'space before the colon': 'X : a',
  'space before the name': ' X: a',
  'no colon': 'Xabc',
  'no name': ': a',
  'a NUL': 'X: a\0b',
  'a control character': 'X: a\x01b',
  'a delete': 'X: a\x7fb',
  'a control character in a name': 'X\x01: a',
  'a name that is not ASCII': 'X\xe9: a',
  'a name with brackets': 'X(y): a',
}

/** Heads that are not HTTP/1, or that two readers would read in two ways (RFC 9112 §2.2, §3, §5). */
export function heads(): Case[] {
  const close = 'Connection: close'
  return [
    ...Object.entries(badLines).map(([name, line]) => refused(name, { headers: [line] })),
    refused('no Host', { basics: [close] }),
    refused('two Hosts', { headers: ['Host: other.example'] }),
    refused('the same Host twice', { headers: ['host: localhost'] }),
    { ...refused('64 KB in a header', { headers: [`X: ${'a'.repeat(65_536)}`] }), codes: tooLarge },
    { ...refused('20 KB in 20 headers', { headers: twenty }), codes: tooLarge },
    {
      ...refused('a cookie of 20 KB', { headers: [`Cookie: session=${'a'.repeat(20_000)}`] }),
      codes: tooLarge,
    },
    refused('an unknown expectation', { headers: ['Expect: nonsense'] }),
    ...[
      'HTTP/3.0',
      'HTTP/2.0',
      'HTTP/0.9',
      'HTTP/1.2',
      'HTTP/1',
      'http/1.1',
      'ICE/1.0',
      'HTTP/1.1x',
    ].map((version) => refused(version, { version })),
    legal('HTTP/1.0 without a Host', { version: 'HTTP/1.0', basics: [] }),
    { ...refused('2,000 headers', { headers: many(2_000) }), codes: tooLarge },
    { ...refused('201 headers', { headers: many(201) }), codes: tooLarge },
    legal('190 headers', { headers: many(190) }),
    legal('names of a prototype', { headers: ['__proto__: a', 'constructor: b', 'toString: c'] }),
    legal('a value in ISO 8859-1', { headers: ['X: \xe9'] }),
    legal('broken cookies', {
      headers: ['Cookie: ;=;%;a=%ff;__proto__=1;session;;"', 'Cookie: b='],
    }),
    legal('Expect: 100-continue', { headers: ['Expect: 100-continue'] }),
    legal('Connection: upgrade', {
      basics: ['Host: localhost', 'Connection: upgrade, close'],
      headers: ['Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
    }),
    legal('an upgrade to HTTP/2', {
      basics: ['Host: localhost', 'Connection: Upgrade, HTTP2-Settings, close'],
      headers: ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
    }),
    ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'].map((name) =>
      legal(name, { headers: [`${name}: DELETE`] }),
    ),
    ...['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'].map((name) =>
      legal(name, { headers: [`${name}: /health/live`] }),
    ),
    legal('an impossible Accept', { headers: ['Accept: x/y', 'Accept-Encoding: *;q=0'] }),
    legal('an impossible range', { headers: ['Range: bytes=9-1', 'If-Match: "x"'] }),
  ].map((bad) => (bad.stage === 'legal' ? { ...bad, stage: 'bare' } : bad))
}

const tooLarge: Case['codes'] = ['headers_too_large']
const many = (count: number) => Array.from({ length: count }, () => 'a:b')
const twenty = Array.from({ length: 20 }, (_, at) => `X-${at}: ${'a'.repeat(1_000)}`)

/** Targets that are none, or that lead elsewhere (RFC 9112 §3.2); `query` if it is declared. */
export function targets(path: string, query?: BodySchema): Case[] {
  const to = (target: string, ...codes: NonNullable<Case['codes']>): Case => ({
    ...refused(target.length > 60 ? `${target.slice(0, 40)}… of ${target.length}` : target, {
      target,
    }),
    codes: codes.length > 0 ? codes : ['not_found'],
  })
  // What is added may be the parameter of this route or of another.
  const added = (suffix: string) =>
    to(
      path + suffix,
      'not_found',
      'method_not_allowed',
      'uri_too_long',
      'invalid_token',
      'validation_failed',
    )
  const under = (segment: string) => added(`${path.endsWith('/') ? '' : '/'}${segment}`)
  const same = (target: string): Case => ({
    name: target.slice(0, 60),
    stage: 'bare',
    request: { target },
  })
  const withQuery = (target: string): Case =>
    query ? { ...same(target), stage: 'query', codes: ['validation_failed'] } : same(target)
  return [
    ...[
      '/',
      '//other.example',
      '/.',
      '/..',
      '/api/..',
      '/%2e%2e',
      '/%2E',
      '/x/../',
      '/;x',
      '/%2f',
    ].map((prefix) => to(prefix + path)),
    ...['%2f', '%5c', '%00', '%20', '%0d%0a', ';x=1', '/.', '/..;/', '/%2e', '.json'].map(
      (suffix) => added(path === '/' ? `x${suffix}` : suffix),
    ),
    ...[
      under('a'.repeat(300)),
      under('a'.repeat(10_000)),
      under('__proto__'),
      under('%F0%9F%98%80'),
    ],
    to(path + '/a'.repeat(10_000), 'headers_too_large'),
    ...['%', '%f', '%zz', '%ff', '%c0%af', '%ed%a0%80'].map((suffix) =>
      to(path + suffix, 'bad_request'),
    ),
    ...['\0', ' x', '\tx', '\x7f', '\xe9', '#x', '?x#y'].map((suffix) =>
      to(path + suffix, 'bad_request', 'not_found'),
    ),
    ...[
      '*',
      '?',
      path.slice(1) || 'x',
      `\\${path}`,
      `ftp://localhost${path}`,
      `javascript:${path}`,
      '',
    ].map((target) => to(target, 'bad_request')),
    same(`${path}?`),
    ...['%', '%ff=%zz', '__proto__[active]=true', 'a=1&a=2&a[]=3', '_method=DELETE'].map((text) =>
      withQuery(`${path}?${text}`),
    ),
    withQuery(`${path}?${'a=b&'.repeat(3_000)}`),
    same(`http://other.example${path}`),
    withQuery(`HTTP://localhost:1${path}?x`),
    ...(/^\/[a-z]/.test(path)
      ? [same(`/%${path.charCodeAt(1).toString(16)}${path.slice(2)}`)]
      : []),
    ...(path === path.toUpperCase() ? [] : [to(path.toUpperCase())]),
  ]
}

const badParameters = [
  ...['%00', 'a%00b', '%20', '%0d%0aX:y', '..%2f..%2fetc', '%27%3b--', '%f0%9f%98%80', '__proto__'],
  ...['constructor', 'null', 'undefined', '0', '-1', '1e400', '9'.repeat(40), '[object%20Object]'],
  ...[
    '00000000-0000-0000-0000-00000000000g',
    'urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057',
    '{01890a5d-ac96-774b-bcce-b302099a8057}',
    'a'.repeat(250),
  ],
]

/** Every parameter of a route, one after the other, with what names nothing; `path` has good ones. */
export function parameters(url: string, path: string): Case[] {
  const segments = url.split('/')
  const names = segments.filter((segment) => segment.startsWith(':'))
  const put = (name: string, value: string) =>
    path.split('/').with(segments.indexOf(name), value).join('/')
  return names.flatMap((name) => [
    ...badParameters.map((value): Case => ({
      name: `${name} = ${value.slice(0, 40)}`,
      stage: 'path',
      request: { target: put(name, value) },
      // A role that might be is one that the caller has not.
      codes: [
        'validation_failed',
        'not_found',
        ...(name === ':role' ? ['forbidden' as const] : []),
      ],
    })),
    {
      ...refused(`${name} of 300 characters`, { target: put(name, 'a'.repeat(300)) }),
      codes: ['uri_too_long'],
    },
    refused(`${name} = %ff`, { target: put(name, '%ff') }),
  ])
}

/** Methods that some server knows. */
export const known = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PURGE',
  'MKCOL',
  'PROPFIND',
]
const unknownMethods = [
  'FOO',
  'get',
  'Post',
  'PRI',
  'G\0ET',
  'G ET',
  '"GET"',
  'GETGETGETGETGET',
  '',
]

/** Methods that a path does not have, and words that are no method. */
export function methods(taken: string[]): Case[] {
  return [
    ...known
      .filter((method) => !taken.includes(method))
      .map((method): Case => ({ ...refused(method, { method }), codes: ['method_not_allowed'] })),
    ...unknownMethods.map((method) => refused(method || 'no method', { method })),
  ]
}
