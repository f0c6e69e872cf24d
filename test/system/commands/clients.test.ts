import t from 'tap'
import { testApp } from '../../support/app.js'
import { gatehouse } from '../../support/command-line.js'
import { newVerifier, withApps } from '../../support/authorization.js'
import { addClient, tokenOf } from '../../support/oauth.js'

t.test('a client is let in, listed and removed', async (t) => {
  const { app, url, sql } = await testApp(t)
  await sql(`insert into roles values ('reader')`)
  const added = await gatehouse(
    url,
    ['clients', 'add', 'reports', '--role', 'reader', '--role', 'admin'],
    { LOG_LEVEL: 'trace' },
  )
  t.match(added, {
    code: 0,
    out: /^client_id=reports\nclient_secret=[A-Za-z0-9_-]{43}\n$/,
    errors: '',
  })
  const client_secret = /client_secret=(.*)\n/.exec(added.out)?.[1] ?? ''
  await tokenOf(app, { client_id: 'reports', client_secret })

  const listed = await gatehouse(url, ['clients', 'list'])
  t.match(listed, {
    code: 0,
    out: /^id\tname\troles\tcreated\tredirect URIs\tpublic\tdevice\tattests\n[0-9a-f-]{36}\treports\tadmin,reader\t/,
  })
  t.notMatch(listed.out, client_secret)
  const again = await gatehouse(url, ['clients', 'add', 'reports'])
  t.match(again, { code: 1, out: '', errors: 'A client named reports exists already.' })

  t.match(await gatehouse(url, ['clients', 'remove', 'reports']), {
    code: 0,
    out: 'reports removed\n',
  })
  t.match(await gatehouse(url, ['clients', 'remove', 'reports']), {
    code: 1,
    errors: 'There is no client named reports.',
  })
  t.strictSame(await sql('select from clients'), [])
  const rows = await sql(`select event, address, detail from audit_log order by id`)
  t.strictSame(rows, [
    { event: 'client.created', address: 'cli', detail: { client: 'reports' } },
    { event: 'client.deleted', address: 'cli', detail: { client: 'reports' } },
  ])
})

t.test('redirect URIs are replaced, and a code for one that is gone is refused', async (t) => {
  const { url, sql, ...service } = await withApps(await testApp(t))
  const verifier = newVerifier()
  const code = await service.getCode(service.shop, verifier)
  const set = (...args: string[]) => gatehouse(url, ['clients', 'set-redirect-uris', ...args])
  const urisOf = async (name: string) =>
    (
      await sql<{ uri: string }>(
        `select uri from client_redirect_uris u join clients c on c.id = client_id
         where c.name = $1 order by uri`,
        [name],
      )
    ).map(({ uri }) => uri)
  const wanted = ['https://shop.example.net/a', 'https://shop.example.net/b']
  t.match(await set('shop', ...wanted, ...wanted), { code: 0, out: 'shop changed\n' })
  t.strictSame(await urisOf('shop'), wanted)
  const exchanged = await service.exchange(service.shop, code, verifier)
  t.match(exchanged.json(), { error: 'invalid_grant' })
  t.match(await set('shop', 'http://shop.example.org/'), { code: 1, errors: /must use https/ })
  t.match(await set('spa'), { code: 1, errors: /is required for a public client/ })
  t.match(await set('nowhere', ...wanted), { code: 1, errors: 'There is no client named nowhere.' })
  t.strictSame(await urisOf('shop'), wanted)
  t.match(await set('shop'), { code: 0 })
  t.strictSame(await urisOf('shop'), [])
  const events = await sql(`select detail from audit_log where event = 'client.changed'`)
  t.strictSame(events, [{ detail: { client: 'shop' } }, { detail: { client: 'shop' } }])
})

t.test('a name is one that a token may bear, and a role is one that there is', async (t) => {
  const service = await testApp(t)
  const names = ['gatehouse', 'Reports', '1st', 'a b', 'a:b', 'ü', 'a'.repeat(64), '', 'a\0']
  for (const name of names) {
    await t.rejects(addClient(service, name), { fields: [{ field: 'name' }] } as never, name)
  }
  const said = await gatehouse(service.url, ['clients', 'add', 'reports', '--role', 'nobody'])
  t.match(said, { code: 1, out: '', errors: 'The role nobody does not exist' })
  t.strictSame(await service.sql('select from clients'), [])
  await addClient(service, `a${'b'.repeat(62)}`)
  await addClient(service, 'a.b_c-1')
})

t.test('of four who add one name at once, one does', async (t) => {
  const { url, sql } = await testApp(t)
  const tries = await Promise.all(
    Array.from({ length: 4 }, () =>
      gatehouse(url, ['clients', 'add', 'reports', '--role', 'user']),
    ),
  )
  t.equal(tries.filter(({ code }) => code === 0).length, 1)
  t.equal((await sql('select from client_roles')).length, 1)
})
