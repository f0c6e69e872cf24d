import t from 'tap'
import { createKey } from '../support/api-keys.js'
import { bearer, logIn } from '../support/app.js'
import { identity, openWebSocket } from '../support/echo-app.js'
import { ada, behind } from '../support/proxies.js'

/** Every spelling that some app would take for one of our headers (CVE-2025-64484, CVE-2026-88879). */
const spoofs = ['-', '_', '.', '!', '~', '+', '|', '`', "'"].flatMap((sign) =>
  ['Remote-User', 'remote-user', 'REMOTE-EMAIL', 'Remote-Name', 'Remote-Groups'].map(
    (name) => `${name.replace('-', sign)}: admin`,
  ),
)
const forwarded = [
  ...['For', 'Host', 'Proto', 'Port', 'Uri', 'Method', 'Prefix', 'User'].flatMap((name) => [
    `X-Forwarded-${name}: evil.example`,
    `X_Forwarded_${name}: evil.example`,
  ]),
  ...['X-Original-URL', 'X-Rewrite-URL', 'X-Real-IP'].map((name) => `${name}: evil.example`),
  'Forwarded: for=evil.example;host=evil.example',
]

/** Paths that some app takes for /app/admin, in a form that needs the role. */
const spellings = [
  ...['/app/admin', '/app/admin/', '/app/admin/x', '/app/admin?x', '/app/ADMIN/', '/APP/admin'],
  ...['/app/%61dmin', '/app/%41dmin', '/%61pp/admin', '/app/administrators', '/app/admin%20'],
  ...['/app/admin?role=user', '/app/admin?redirect=1', '/app/admin?x=/app/', '/app/admin.json'],
]

/** Paths that two programs read in two ways. */
const ambiguous = [
  ...[
    '/app/;/admin',
    '/app/x/..;/admin',
    '/app/..;a=b/app/admin',
    '/app;x/admin',
    '/app/admin;x=1',
  ],
  ...[
    '/app/%3b/admin',
    '/app/x/..%3B/admin',
    '/app/%5cadmin',
    '/app/%5Cadmin',
    '/app/x%5c..%5cadmin',
  ],
  ...['/app/\\admin', '/app/x\\..\\admin', '/app//admin', '//app/admin', '/app/./admin', '/app/.'],
  ...['/app/x/../admin', '/x/../app/admin', '/app/x/..', '/app/x/%2e%2e/admin', '/app/%2e/admin'],
  ...[
    '/app/x%2f..%2fadmin',
    '/app/%2fadmin',
    '/app/x/..%2Fadmin',
    '/app%2fadmin',
    '/app/.%2e/admin',
  ],
  ...['/app/admin%2f..%2fx', '/app/admin%00', '/app/%09admin', '/app/%0aadmin', '/app/%252e/admin'],
  ...[
    '/app/%255cadmin',
    '/app/%25%35%63admin',
    '/app/%2561dmin',
    '/app/%253b/admin',
    '/app/%25252fadmin',
  ],
  ...['/app/x%23/../admin', '/app/%c0%afadmin', '/app/%C0%AE/admin', '/app/%u002fadmin'],
]

const decode = (text: string) =>
  text.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))

/** What apps make of a path: as it is, without parameters, with slashes of all kinds, decoded up to three times. */
function readingsOf(url: string): string[] {
  const [path = ''] = url.split('?', 1)
  const decoded = [path]
  for (let times = 0; times < 3; times += 1) decoded.push(decode(decoded.at(-1)!))
  return decoded.flatMap((one) =>
    [one, one.replaceAll(/;[^/]*/g, ''), one.replaceAll('\\', '/')].flatMap((each) => {
      const { pathname } = new URL(
        `http://app/${each}`.replaceAll(/\/+/g, '/').replace(':/', '://'),
      )
      return [each, pathname].map((text) => text.toLowerCase())
    }),
  )
}

/** Apache cannot remove a header by a pattern of its name, so its recipe refuses the request. */
const isHyphened = (header: string) => /^[A-Za-z-]+:/.test(header)

const ours =
  'Remote-User, Remote-Email, Remote-Name, Remote-Groups, X-Forwarded-For, X-Forwarded-Host'

for (const name of ['nginx', 'caddy', 'haproxy', 'apache'] as const) {
  t.test(name, async (t) => {
    const service = await behind(t, name)
    const { origin, user, admin, isAda, asAda, asBob, ask } = service
    const [lies, forgeries] = [spoofs, forwarded].map((headers) =>
      name === 'apache' ? headers.filter(isHyphened) : headers,
    ) as [string[], string[]]

    await t.test('the app is told who asks, and nothing that the client made up', async (t) => {
      for (const headers of [[], lies, [...lies, ...lies], forgeries]) {
        const { status, seen } = await ask('/app/x?a=1&b=2', [asAda, ...headers])
        t.equal(status, 200)
        t.strictSame(identity(seen!), isAda)
        t.equal(seen?.url, '/app/x?a=1&b=2')
        t.notMatch(JSON.stringify(seen?.environment), /evil|"admin"/)
      }
      const { seen } = await ask('/app/x', [asAda, ...forgeries])
      t.equal(seen?.headers['x-forwarded-for'], '127.0.0.1')
      t.equal(seen?.headers['x-forwarded-host'], new URL(origin).host)
    })

    await t.test('a header with another sign than a hyphen never arrives', async (t) => {
      const odd = [...spoofs, ...forwarded].filter((header) => !isHyphened(header))
      t.ok(odd.length > 40)
      for (const header of odd) {
        const { status, seen } = await ask('/app/x', [asAda, header])
        t.equal(status, name === 'apache' ? 400 : 200, header)
        t.notMatch(JSON.stringify(seen?.environment ?? {}), /evil|"admin"/, header)
      }
    })

    await t.test('what Connection names is there all the same', async (t) => {
      for (const basics of [
        [`Connection: close, ${ours}`],
        [`Connection: ${ours}`, 'Connection: close'],
        ['Connection: close', `Connection: ${ours.toLowerCase()}`],
        ['Connection: close', `Keep-Alive: ${ours}`, `Proxy-Connection: ${ours}`],
        ['Connection: close, Authorization'],
      ]) {
        const { status, seen } = await ask('/app/x', [asAda, ...lies], { basics })
        t.equal(status, 200, basics.join())
        t.strictSame(identity(seen!), isAda, basics.join())
        t.equal(seen?.headers['x-forwarded-for'], '127.0.0.1', basics.join())
      }
    })

    await t.test('who is nobody does not get to the app', async (t) => {
      for (const headers of [
        [],
        lies,
        ['Authorization: Bearer x.y.z'],
        ['Authorization: Basic YWRtaW46YWRtaW4='],
        [asAda, asAda],
        ['Cookie: session=x'],
        ['X-Forwarded-Uri: /login', 'X-Original-URL: /health/live', 'X-Rewrite-URL: /'],
        [
          `X-Forwarded-Host: ${new URL(origin).host}`,
          'X-Forwarded-Method: GET',
          'Accept: text/html;q=0',
        ],
      ]) {
        const { status, seen, headers: answered, body } = await ask('/app/x', headers)
        t.equal(status, headers[1] === asAda && name === 'nginx' ? 400 : 401, headers.join())
        t.equal(seen, undefined, headers.join())
        if (status === 401) t.match(answered['www-authenticate'], /^Bearer /, headers.join())
        t.notMatch(body, /"user"/)
      }
    })

    await t.test('a role is needed for each spelling of a path', async (t) => {
      t.equal((await ask('/app/admin', [asBob])).status, 200)
      t.match(identity((await ask('/app/admin/x', [asBob])).seen!), {
        user: admin.id,
        groups: 'admin,user',
      })
      t.equal((await ask('/app/admin')).status, 401)
      const refusal = await ask('/app/admin', [asAda])
      t.equal(refusal.status, 403)
      if (name === 'caddy') t.match(JSON.parse(refusal.body), { code: 'forbidden' })
      for (const path of spellings) {
        const { seen } = await ask(path, [asAda, 'X-Forwarded-Uri: /app/', 'X-Original-URI: /app/'])
        for (const reading of seen ? readingsOf(seen.url) : []) {
          t.notMatch(reading, /^\/app\/+\s*admin/, path)
        }
      }
      for (const path of ambiguous) {
        for (const token of [[], [asAda], [asBob]]) {
          const { status, seen } = await ask(path, token)
          t.equal(seen, undefined, `${path} reaches no app`)
          t.ok([400, 404].includes(status), `${path}: ${status}`)
        }
      }
    })

    await t.test('other paths arrive as they were sent', async (t) => {
      for (const path of [
        '/app/',
        '/app/x.y',
        '/app/..x',
        '/app/a+b',
        '/app/%C3%B6',
        '/app/x?a=;/..//%2e',
      ]) {
        const { status, seen } = await ask(path, [asAda])
        t.equal(status, 200, path)
        t.equal(seen?.url, path)
      }
    })

    await t.test('a query of the client decides nothing', async (t) => {
      for (const query of [
        'role=admin',
        'redirect=1',
        'token=x',
        '%',
        'a&a&a[]=1',
        `x=${'y'.repeat(4_000)}`,
      ]) {
        t.equal((await ask(`/app/x?${query}`, [asAda])).status, 200, query.slice(0, 20))
        t.equal((await ask(`/app/x?${query}`)).status, 401, query.slice(0, 20))
      }
    })

    await t.test('bodies and methods arrive as they were sent', async (t) => {
      const body = JSON.stringify({ text: 'x'.repeat(100_000) })
      const type = 'Content-Type: application/json'
      const posted = await ask('/app/x', [asAda, type], { method: 'POST', body })
      t.match(posted.seen, { method: 'POST', body })
      const odd = await ask('/app/x', [asAda, 'Content-Type: nonsense'], {
        method: 'PUT',
        body: 'x',
      })
      t.match(odd.seen, { method: 'PUT', body: 'x' })
      const chunked = '5\r\nhello\r\n0\r\n\r\n'
      const coding = 'Transfer-Encoding: chunked'
      const streamed = await ask('/app/x', [asAda, coding], {
        method: 'POST',
        body: chunked,
        measured: false,
      })
      t.match(streamed.seen, { method: 'POST', body: 'hello' })
      for (const method of ['DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'HEAD']) {
        t.equal((await ask('/app/x', [asAda], { method })).seen?.method, method)
        t.equal((await ask('/app/x', [], { method })).status, 401, method)
      }
    })

    await t.test('cookies: those of Gatehouse stay outside, the others pass', async (t) => {
      const session = `session=${user.access_token}`
      for (const [cookie, passed] of [
        [session, undefined],
        [
          `a=1; ${session}; b=2; refresh=${user.refresh_token}; session_id=c`,
          'a=1; b=2; session_id=c',
        ],
        [`${session}; refresh=x; mysession=1`, 'mysession=1'],
        [`refresh=x; ${session}`, undefined],
        [`a=1; refresh=x; ${session}`, 'a=1'],
        [`${session}; a=1; refresh=x`, 'a=1'],
        [`a=1; ${session}; __Host-session=x; __Host-refresh=y; refresh=z; b=2`, 'a=1; b=2'],
        [`x__Host-session=1; ${session}; __Host-refresh=y`, 'x__Host-session=1'],
        [`a=1; session =${user.access_token}; refresh\t=x; b=2`, 'a=1; b=2'],
      ] as const) {
        const { status, seen } = await ask('/app/x', [`Cookie: ${cookie}`])
        t.equal(status, 200, cookie)
        t.equal(seen?.headers.cookie, passed, cookie)
      }
    })

    await t.test('an API key opens the app, and does not get to it', async (t) => {
      const { key } = await createKey(service, user.access_token, { roles: ['user'] })
      for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
        const { status, seen } = await ask('/app/x', [`Authorization: ${scheme} ${key}`])
        t.equal(status, 200)
        t.strictSame(identity(seen!), isAda)
        t.notMatch(JSON.stringify(seen), key)
      }
      t.equal((await ask('/app/admin', [`Authorization: Bearer ${key}`])).status, 403)
      const { seen } = await ask('/app/x', [asAda])
      t.equal(seen?.headers.authorization, asAda.replace('Authorization: ', ''), 'a token passes')
    })

    await t.test('by cookie, another site neither posts nor opens a WebSocket', async (t) => {
      const cookie = `Cookie: session=${user.access_token}`
      const evil = 'Origin: https://evil.example'
      const handshake = ['Upgrade: websocket', 'Connection: Upgrade, close']
      for (const [method, headers, status] of [
        ['POST', [evil, 'Sec-Fetch-Site: cross-site'], 403],
        ['POST', [evil, 'Sec-Fetch-Site: same-site'], 403],
        ['POST', [evil], 403],
        ['POST', [`Origin: ${origin}`, 'Sec-Fetch-Site: same-origin'], 200],
        ['POST', [`Origin: ${origin}`], 200],
        ['POST', [], 200],
        ['GET', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'], 200],
        ['GET', [evil], 403],
      ] as const) {
        t.equal(
          (await ask('/app/x', [cookie, ...headers], { method })).status,
          status,
          headers.join(),
        )
      }
      const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
      const hijack = await ask('/app/ws', [cookie, evil, key], { basics: handshake })
      t.equal(hijack.status, 403)
      const byToken = await ask('/app/x', [asAda, evil, 'Sec-Fetch-Site: cross-site'], {
        method: 'POST',
      })
      t.equal(byToken.status, 200, 'a token is no cookie')
    })

    await t.test('a WebSocket passes, with who opened it', async (t) => {
      for (const connection of ['Upgrade', `Upgrade, ${ours}`, `${ours}, upgrade`]) {
        const lines = ['Upgrade: websocket', `Connection: ${connection}`, asAda, ...lies]
        const { head, echo } = await openWebSocket(origin, '/app/ws', lines)
        t.match(head, /^HTTP\/1\.1 101 /)
        t.equal(await echo('there and back'), 'there and back')
        t.strictSame(identity(service.seen.at(-1)!), isAda, connection)
      }
    })

    await t.test('a logged-out token is refused at once', async (t) => {
      const { access_token } = await logIn(service.app, ada)
      const token = `Authorization: Bearer ${access_token}`
      const cookie = `Cookie: session=${access_token}`
      t.equal((await ask('/app/x', [token])).status, 200)
      t.equal((await ask('/app/x', [cookie])).status, 200)
      const headers = bearer(access_token)
      t.equal((await fetch(`${origin}/api/logout`, { method: 'POST', headers })).status, 200)
      t.equal((await ask('/app/x', [token])).status, 401)
      t.equal((await ask('/app/x', [cookie])).status, 401)
    })

    await t.test('without Gatehouse no request reaches the app', async (t) => {
      await service.app.close()
      for (const token of [[], [asAda], [asBob]]) {
        const { status, seen } = await ask('/app/x', token)
        t.ok(status >= 500, String(status))
        t.equal(seen, undefined)
      }
    })
  })
}
