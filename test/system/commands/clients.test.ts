import t from 'tap'
import { testApp } from '../../support/app.js'
import { gatehouse } from '../../support/command-line.js'
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
    out: /^id\tname\troles\tcreated\tredirect URIs\tpublic\n[0-9a-f-]{36}\treports\tadmin,reader\t/,
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
