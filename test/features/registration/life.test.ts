import t from 'tap'
import type { LoginAnswer } from '../../support/app.js'
import { mailingApp } from '../../support/smtp-sink.js'

const { sink, origin, sql, post, call, activeAccount } = await mailingApp(t)
const next = 'a better horse battery'
let people = 0

t.test('an account works once its owner answered the message, by link or by code', async (t) => {
  const [ada, bob] = [person(), person()]
  const registered = await post('/api/register', { ...ada, name: 'Ada' })
  t.equal(registered.status, 201)
  t.match(registered.body.user, { name: 'Ada', email: ada.email, active: false })
  t.match(await post('/api/login', ada), { status: 403, body: { code: 'activation_required' } })
  const wrong = { ...ada, password: 'wrong horse battery' }
  t.match(await post('/api/login', wrong), { status: 401, body: { code: 'invalid_credentials' } })

  const mail = await sink.next(ada.email)
  t.match(mail, { subject: 'Activate your Gatehouse account', code: /^\d{8}$/ })
  t.match(mail.head, /^From: Gatehouse <no-reply@localhost>$/m)
  t.match(mail.head, /^Auto-Submitted: auto-generated$/m)
  const page = await fetch(new URL(new URL(mail.link).pathname, origin), {
    method: 'POST',
    body: new URLSearchParams({ token: mail.token }),
  })
  t.equal(page.status, 200)
  t.match(await page.text(), /Your account is active/)
  t.equal((await post('/api/login', ada)).status, 200)
  for (const proof of [{ token: mail.token }, { email: ada.email, code: mail.code }]) {
    t.match(await post('/api/activate', proof), { status: 400, body: { code: 'invalid_code' } })
  }

  await post('/api/register', bob)
  const { code, token } = await sink.next(bob.email)
  t.equal((await post('/api/activate', { email: bob.email.toUpperCase(), code })).status, 200)
  t.match((await post('/api/login', bob)).body.user, { email: bob.email, active: true })
  t.equal((await post('/api/activate', { token })).status, 400, 'its link is used up with it')
})

t.test('a new e-mail address counts once its reader answered, and the old one hears', async (t) => {
  for (const by of ['token', 'code'] as const) {
    const { ada, login } = await atHome()
    const { access_token } = await login()
    const { email } = person()
    const changes = { name: 'Ada King', email }
    const changed = await call('PATCH', '/api/user', changes, access_token)
    t.match(changed.body, {
      user: { name: 'Ada King', email: ada.email },
      pending: ['email'],
    })
    const mail = await sink.next(email)
    t.match(mail.subject, /^Confirm your e-mail address/)
    t.match(mail.link, /\/confirm\?token=/)
    t.equal((await post('/api/login', ada)).status, 200, 'the old address until then')
    t.equal((await post('/api/login', { ...ada, email })).status, 401)

    const proof = by === 'token' ? { token: mail.token } : { email, code: mail.code }
    const confirmed = await post('/api/user/confirm', proof)
    t.match(confirmed, { status: 200, body: { user: { email, active: true } } })
    t.equal((await post('/api/user/confirm', proof)).status, 400)
    t.equal((await post('/api/login', ada)).status, 401)
    t.equal((await post('/api/login', { ...ada, email })).status, 200)
    t.match((await sink.next(ada.email)).subject, /has another e-mail address$/)
  }
})

t.test(
  'a forgotten password is replaced, which ends every session and logs nobody in',
  async (t) => {
    const { ada, login } = await atHome()
    const sessions = [await login(), await login()]
    t.equal((await post('/api/password/forgot', { email: ada.email })).status, 202)
    const mail = await sink.next(ada.email)
    t.equal(mail.subject, 'Reset your Gatehouse password')
    t.ok(await isAlive(sessions[0]!.access_token), 'asking changes nothing')
    const reset = await post('/api/password/reset', { token: mail.token, new_password: next })
    t.equal(reset.status, 200)
    t.same(Object.keys(reset.body).sort(), ['message', 'status'])
    const cookies = reset.headers.getSetCookie().map((line) => line.split('=')[0])
    t.same(cookies, ['device'], 'a mark of the device, and no session')

    for (const { access_token, refresh_token } of sessions) {
      t.notOk(await isAlive(access_token))
      t.equal((await post('/api/refresh', { refresh_token })).status, 401)
    }
    t.equal((await post('/api/login', ada)).status, 401)
    t.equal((await post('/api/login', { ...ada, password: next })).status, 200)
    t.match(await sink.next(ada.email), {
      subject: 'Your Gatehouse password was changed',
      code: '',
    })
  },
)

t.test('a reset activates what waited for it: it proves the address too', async (t) => {
  const ada = person()
  await post('/api/register', ada)
  await sink.next(ada.email)
  await post('/api/password/forgot', { email: ada.email })
  const { code } = await sink.next(ada.email)
  const proof = { email: ada.email, code, new_password: next }
  t.equal((await post('/api/password/reset', proof)).status, 200)
  t.equal((await post('/api/login', { ...ada, password: next })).status, 200)
})

t.test('a changed password ends the other sessions, and this one stays', async (t) => {
  const { ada, login } = await atHome()
  const [here, there] = [await login(), await login()]
  const change = (old_password: string) =>
    post('/api/user/password', { old_password, new_password: next }, here.access_token)
  t.match(await change('wrong horse battery'), { status: 401 })
  t.ok(await isAlive(there.access_token))
  t.equal((await change(ada.password)).status, 200)
  t.ok(await isAlive(here.access_token))
  t.equal((await post('/api/refresh', { refresh_token: here.refresh_token })).status, 200)
  t.notOk(await isAlive(there.access_token))
  t.equal((await post('/api/refresh', { refresh_token: there.refresh_token })).status, 401)
  t.equal((await post('/api/login', ada)).status, 401)
  t.equal((await post('/api/login', { ...ada, password: next })).status, 200)
  t.equal((await sink.next(ada.email)).subject, 'Your Gatehouse password was changed')
})

t.test('a deleted account is gone: its tokens are dead and its address is free', async (t) => {
  const { ada, login } = await atHome()
  const { access_token, refresh_token, user } = await login()
  const remove = (body: object) => call('DELETE', '/api/user', body, access_token)
  t.match(await remove({}), { status: 403, body: { code: 'reauthentication_required' } })
  t.match(await remove({ password: 'wrong horse battery' }), { status: 401 })
  t.ok(await isAlive(access_token))
  t.equal((await remove({ password: ada.password })).status, 200)
  t.notOk(await isAlive(access_token))
  t.equal((await post('/api/refresh', { refresh_token })).status, 401)
  t.equal((await post('/api/login', ada)).status, 401)
  t.equal((await sink.next(ada.email)).subject, 'Your Gatehouse account was deleted')
  for (const table of ['users', 'sessions', 'one_time_codes', 'user_roles']) {
    const column = table === 'users' ? 'id' : 'user_id'
    t.same(await sql(`select from ${table} where ${column} = $1`, [user.id]), [], table)
  }
  await activeAccount({ ...ada, password: next })
  const again = await post('/api/login', { ...ada, password: next })
  t.equal(again.status, 200)
  t.not(again.body.user.id, user.id)
})

/** An account that was activated, and its logins. */
async function atHome() {
  const ada = person()
  await activeAccount(ada)
  return { ada, login: async () => (await post('/api/login', ada)).body as LoginAnswer }
}

async function isAlive(token: string): Promise<boolean> {
  return (await call('GET', '/api/user', undefined, token)).status === 200
}

/** Somebody new. */
function person() {
  people += 1
  return { email: `ada-${people}@example.org`, password: 'correct horse battery' }
}
