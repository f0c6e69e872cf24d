import t from 'tap'
import { testApp } from '../../support/app.js'
import { newVerifier, withApps } from '../../support/authorization.js'
import { addApp } from '../../support/oauth.js'

const registered = 'https://shop.example.org/callback'

/** Spellings that a careless comparison takes for the registered one, or that a browser reads differently. */
const spellings = [
  '',
  ' ',
  '/',
  '//',
  'callback',
  '/callback',
  '//evil.example',
  '///evil.example',
  '\\\\evil.example',
  '/\\evil.example',
  'https:',
  'https://',
  'https:/shop.example.org/callback',
  'https:shop.example.org/callback',
  'https:\\\\shop.example.org\\callback',
  'http://shop.example.org/callback',
  'HTTPS://shop.example.org/callback',
  'https://SHOP.example.org/callback',
  'https://shop.example.org',
  'https://shop.example.org/',
  'https://shop.example.org//callback',
  'https://shop.example.org/./callback',
  'https://shop.example.org/x/../callback',
  'https://shop.example.org/%2e/callback',
  'https://shop.example.org/Callback',
  'https://shop.example.org/callback/',
  'https://shop.example.org/callback/x',
  'https://shop.example.org/callback?',
  'https://shop.example.org/callback?x=1',
  'https://shop.example.org/callback#',
  'https://shop.example.org/callback#x',
  'https://shop.example.org/callback%00',
  'https://shop.example.org/callback\0',
  'https://shop.example.org/callback ',
  ' https://shop.example.org/callback',
  '\thttps://shop.example.org/callback',
  'https://shop.example.org/callback\n',
  'https://shop.example.org/callback\r\nSet-Cookie: x=1',
  'https://shop.example.org/call\tback',
  'https://shop.example.org/%63allback',
  'https://shop.example.org/callback%20',
  'https://shop.example.org/callback;x',
  'https://shop.example.org:443/callback',
  'https://shop.example.org:444/callback',
  'https://shop.example.org./callback',
  'https://shop.example.org.evil.example/callback',
  'https://evil-shop.example.org/callback',
  'https://x.shop.example.org/callback',
  'https://example.org/callback',
  'https://evil.example/callback',
  'https://evil.example/https://shop.example.org/callback',
  'https://evil.example?https://shop.example.org/callback',
  'https://evil.example#https://shop.example.org/callback',
  'https://shop.example.org@evil.example/callback',
  'https://shop.example.org:x@evil.example/callback',
  'https://user@shop.example.org/callback',
  'https://user:x@shop.example.org/callback',
  'https://evil.example\\@shop.example.org/callback',
  'https://shop.example.org\\.evil.example/callback',
  'https://shop.example.org%2eevil.example/callback',
  'https://shop.example.org%2f@evil.example/callback',
  'https://shop。example.org/callback',
  'https://shоp.example.org/callback',
  'https://ｓhop.example.org/callback',
  'https://[shop.example.org]/callback',
  'javascript:alert(1)',
  'javascript://shop.example.org/callback%0aalert(1)',
  'data:text/html,x',
  'blob:https://shop.example.org/callback',
  'view-source:https://shop.example.org/callback',
  'https://spa.example.org/callback',
  'urn:ietf:wg:oauth:2.0:oob',
  `https://shop.example.org/callback${'/'.repeat(3_000)}`,
  'https://shop.example.org/callback,https://evil.example',
  'https://*.example.org/callback',
]

t.test('the authorization endpoint redirects to the exact text that is registered', async (t) => {
  const { app, shop, authorize, requestOf, cookie } = await withApps(await testApp(t))
  t.ok(new Set(spellings).size >= 60)
  const request = requestOf(shop, newVerifier())
  for (const redirect_uri of spellings) {
    const what = JSON.stringify(redirect_uri).slice(0, 60)
    for (const headers of [{ cookie }, {}] as Record<string, string>[]) {
      for (const change of [{}, { prompt: 'none' }, { response_type: 'token' }]) {
        const answer = await authorize({ ...request, redirect_uri, ...change }, headers)
        t.equal(answer.statusCode, 400, what)
        t.notOk(answer.headers.location ?? answer.headers.refresh, what)
        t.notOk(answer.headers['set-cookie'], what)
      }
    }
    const url = `/oauth/authorize?${new URLSearchParams({ ...request, redirect_uri } as Record<string, string>)}`
    const page = await app.inject({ url, headers: { cookie, accept: 'text/html' } })
    t.match([page.statusCode, page.headers['content-type']], [400, /^text\/html/], what)
    t.notMatch(page.body, /evil\.example|http-equiv="refresh"/, what)
  }
  t.ok((await authorize(request)).back.code)
})

t.test('a parameter that names the client or the redirect URI twice leads nowhere', async (t) => {
  const { shop, authorize, requestOf } = await withApps(await testApp(t))
  const request = new URLSearchParams(requestOf(shop, newVerifier()) as Record<string, string>)
  const evil = encodeURIComponent('https://evil.example/callback')
  const queries = [
    `${request}&redirect_uri=${evil}`,
    `redirect_uri=${evil}&${request}`,
    `${request}&redirect_uri=${encodeURIComponent(registered)}`,
    `${request}&client_id=spa`,
    `client_id=spa&${request}`,
    `${request}&redirect_uri=`,
    String(request).replace('redirect_uri', 'redirect_uri[]'),
    String(request).replace('redirect_uri', 'Redirect_uri'),
    String(request).replace('redirect_uri=', 'redirect_uri'),
    String(request).replace('client_id=shop', 'client_id=SHOP'),
    String(request).replace('client_id=shop', 'client_id=gatehouse'),
    String(request).replace('client_id=shop', 'client_id=none'),
    String(request).replace('client_id=shop', 'client_id=sh%00op'),
    String(request).replace('client_id=shop', `client_id=${'x'.repeat(3_000)}`),
    '',
    '&&&',
    '%',
  ]
  for (const query of queries) {
    const answer = await authorize(query)
    t.equal(answer.statusCode, 400, query.slice(0, 80))
    t.equal(answer.location, '', query.slice(0, 80))
    t.match(answer.json(), { code: 'validation_failed' })
  }
})

t.test(
  'a redirect URI that is no URL of its own, or not protected, is not registered',
  async (t) => {
    const service = await testApp(t)
    const refused = spellings.filter(
      (uri) => !/^https:\/\/[\w.:-]+(?<!\.)(?::44[4])?\/[\w/;,%]*(?:\?x=1)?$/.test(uri),
    )
    const others = ['http://example.org/x', 'http://localhost.evil.example/', 'ftp://localhost/x']
    for (const uri of [...others, ...refused.filter((each) => !/^https:\/\/\*/.test(each))]) {
      const name = `x${others.length}`
      const registering = addApp(service, name, { redirect_uris: [uri] })
      const isRegistered = await registering.then(
        () => true,
        () => false,
      )
      // What a browser writes in the same way may be registered, and then only that matches.
      if (isRegistered) t.equal(new URL(uri).href, uri, uri)
      if (isRegistered) await service.sql('delete from clients where name = $1', [name])
    }
    for (const uri of others) await t.rejects(addApp(service, 'y', { redirect_uris: [uri] }), uri)
    const good = [
      ...[
        'https://shop.example.org/',
        'https://shop.example.org:8443/a?b=c',
        'http://localhost:4000/',
      ],
      ...['http://app.localhost/x', 'http://127.0.0.1:4000/cb', 'http://[::1]:4000/cb'],
    ]
    await addApp(service, 'good', { redirect_uris: good })
    t.strictSame(
      await service.sql('select uri from client_redirect_uris order by uri collate "C"'),
      [...good.sort().map((uri) => ({ uri }))],
    )
    await t.rejects(addApp(service, 'z', { redirect_uris: [], is_public: true }))
  },
)

t.test('no answer, log line or row has a code or a verifier', async (t) => {
  const log: string[] = []
  const logTo = { write: (line: string) => void log.push(line) }
  const test = await withApps(await testApp(t, { env: { LOG_LEVEL: 'trace' }, logTo }))
  const { sql, shop, getCode, exchange } = test
  const verifier = newVerifier()
  const code = await getCode(shop, verifier)
  await exchange(shop, code, verifier)
  await exchange(shop, code, verifier)
  const rows = await sql('select encode(code_hash, $1) as hash, * from authorization_codes', [
    'escape',
  ])
  const all = log.join('') + JSON.stringify([rows, await sql('select * from audit_log')])
  t.ok(log.length > 0)
  t.notMatch(all, code)
  t.notMatch(all, verifier)
})
