import t from 'tap'
import { ada, bearer } from '../../support/app.js'
import { abroad, home, noticingApp } from '../../support/login-notices.js'

const user = 'select id from users'

t.test('a login from another browser or network mails where and when it was', async (t) => {
  const { logIn, notices, sink } = await noticingApp(t)
  t.equal(await notices(), 0, 'not the first login of the account')
  await logIn(abroad)
  t.equal(await notices(), 1)
  const { subject, text, raw } = await sink.next(ada.email)
  t.equal(subject, 'New login to your Gatehouse account')
  t.match(text, /Chrome on Windows, from 203\.0\.113\.7, at \d{4}-\d\d-\d\d \d\d:\d\d UTC/)
  t.match(text, /This was not me:\r\n\S+\/not-me\?token=[\w-]{43}\r\n/)
  t.match(raw, /text\/html/)
  await logIn({ ...home, from: abroad.from })
  t.equal(await notices(), 1, 'the same browser in another network')
  await logIn({ ...abroad, from: home.from })
  t.equal(await notices(), 1, 'another browser in the same network')
})

t.test('a login that the account knows mails nothing', async (t) => {
  const { app, logIn, notices, first, sql } = await noticingApp(t)
  await logIn(home)
  await logIn({ ...home, agent: home.agent.replace('140', '141') })
  await logIn({ ...abroad, cookie: first.cookie })
  t.equal(await notices(), 0, 'script, newer browser, browser on a journey')
  for (let nth = 1; nth <= 2; nth += 1) {
    const { access_token } = await logIn({ agent: 'curl/8', from: '2001:db8:0:1::5' })
    await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })
    await logIn({ agent: 'curl/8', from: '2001:db8:0:1:f::7' })
  }
  t.equal(await notices(), 1, 'a script that logs out is known by its network, once')
  await sql('delete from sessions')
  await logIn({ ...abroad, cookie: 'device=forged' })
  t.equal(await notices(), 0, 'the network of the journey')
})

t.test('no notice without a verified address, nor for an account that was imported', async (t) => {
  const { logIn, notices, sql } = await noticingApp(t)
  await sql('update users set email_verified_at = null')
  await logIn(abroad)
  t.equal(await notices(), 0)
  t.same(await sql('select from login_notices'), [], 'and no link')
  await sql('update users set email_verified_at = now()')
  await sql('delete from sessions')
  await sql(`update last_logins set devices = '{}', devices_version = null`) // as after an import
  await logIn({ agent: 'old phone', from: '198.51.100.9' })
  t.equal(await notices(), 0, 'the first login after the import')
  await logIn({ agent: 'another phone', from: '198.51.100.9' })
  t.equal(await notices(), 1)
})

t.test('a change of the password forgets the devices but the one that made it', async (t) => {
  const { app, logIn, notices, first } = await noticingApp(t)
  await logIn(abroad)
  t.equal(await notices(), 1)
  const changed = await app.inject({
    method: 'POST',
    url: '/api/user/password',
    headers: {
      ...bearer(first.access_token),
      'user-agent': home.agent,
      'x-forwarded-for': home.from,
    },
    payload: { old_password: ada.password, new_password: 'a better horse battery' },
  })
  t.equal(changed.statusCode, 200)
  const account = { ...ada, password: 'a better horse battery' }
  await app.inject({
    method: 'DELETE',
    url: '/api/user/sessions',
    headers: bearer(first.access_token),
  })
  await logIn(home, account)
  t.equal(await notices(), 0)
  await logIn({ ...abroad, cookie: first.cookie }, account)
  t.equal(await notices(), 1)
})

t.test('an account knows its last twenty devices', async (t) => {
  const { logIn, notices } = await noticingApp(t, { RATE_LIMIT: 'off' })
  const from = (nth: number) => ({ ...abroad, from: `198.51.100.${String(nth)}` })
  for (let nth = 1; nth <= 20; nth += 1) await logIn(from(nth))
  t.equal(await notices(), 20)
  await logIn(from(1))
  t.equal(await notices(), 0, 'the first of the twenty')
  await logIn(home)
  t.equal(await notices(), 1, 'the one before them is forgotten')
  await logIn(from(2))
  t.equal(await notices(), 1, 'as is the one used least recently')
})

t.test('wrong passwords make no device known, and forget none that is logged in', async (t) => {
  const { logIn, notices, sql } = await noticingApp(t)
  await sql(
    `insert into audit_log (id, event, user_id, address, user_agent)
     select gen_random_uuid(), 'login.failed', (${user}), $1, $2 from generate_series(1, 300)`,
    [abroad.from, abroad.agent],
  )
  await logIn(home)
  await logIn(abroad)
  t.equal(await notices(), 1, 'the login at home is known, and a failed login makes nothing known')
})

t.test('an account gets five notices a day', async (t) => {
  const { logIn, notices, sql } = await noticingApp(t, {
    RATE_LIMIT: 'on',
  })
  for (let nth = 1; nth <= 7; nth += 1) await logIn({ ...abroad, from: `203.0.113.${nth}` })
  t.equal(await notices(), 5)
  await sql(`update rate_limits set expire = 0 where key like 'notices:%'`)
  await logIn({ ...abroad, from: '203.0.113.99' })
  t.equal(await notices(), 1, 'and more the next day')
})
