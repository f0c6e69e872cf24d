import t from 'tap'
import { fromAnotherSite } from '../../support/browser-session.js'
import { publicUrl, refusal, refused, socialApp } from '../../support/social/app.js'
import { held, startForger } from '../../support/social/forger.js'
import { githubServer } from '../../support/social/github.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import {
  accountsOf,
  anAddress,
  githubPerson,
  openidPerson,
  password,
  personAt,
} from '../../support/social/people.js'
import { refreshTarget } from '../../support/social/traveller.js'
import { smtpSink } from '../../support/smtp-sink.js'

const openid = await openidProvider(t, publicUrl)
const github = await githubServer(t, publicUrl)
const sink = await smtpSink(t)
const app = await socialApp(t, { env: { ...openid.env, ...github.env, MAIL_URL: sink.url } })
const { browser, call, sql, userOf, identitiesOf, standingOf } = app
const { register, asUser, connecting, connect } = accountsOf(app, publicUrl)

t.test('a signed-in user connects a provider that has another address of the user', async (t) => {
  for (const provider of ['oidc', 'github'] as const) {
    const { email, user, access_token } = await register()
    const visitor = await asUser(email)
    const person = personAt[provider](anAddress())
    const back = await connect(visitor, provider, person)
    t.match(back, { status: 303, location: '/welcome' })
    t.notOk(back.setCookies.includes('__Host-session'), 'the session does not change')
    t.match((await visitor.home.get('/welcome')).html, 'Connected')
    t.same(await identitiesOf(access_token), [provider])
    t.match(await sink.next(email), { subject: 'A new way to log in was added at Gatehouse' })
    t.match(await standingOf(user.id), { email, email_verified: false, has_password: true })
    const elsewhere = browser()
    await elsewhere.signIn(provider, person)
    t.match(await userOf(elsewhere.cookie('session')), { id: user.id, email })

    t.equal(
      (await connect(visitor, provider, person)).status,
      303,
      'a second connection of the same identity changes nothing',
    )
    t.same(await identitiesOf(access_token), [provider])
    const second = refusal(await connect(visitor, provider, personAt[provider](anAddress())))
    t.same(second, refused(409, 'identity_taken'), 'a user has one identity of each provider')
  }
})

t.test('an identity of another user cannot be connected', async (t) => {
  const person = openidPerson(anAddress())
  const owner = browser()
  await owner.signIn('oidc', person)
  const { email, access_token } = await register()
  const back = await connect(await asUser(email), 'oidc', person)
  t.same(refusal(back), refused(409, 'identity_taken'))
  t.same(await identitiesOf(access_token), [])
  t.same(await identitiesOf(owner.cookie('session')), ['oidc'])
})

t.test('a session that ends during the request to the provider connects nothing', async (t) => {
  const forger = await startForger(t, publicUrl)
  const forged = await socialApp(t, { env: { ...github.env, ...forger.env } })
  for (const end of ['log out', 'be claimed'] as const) {
    const email = anAddress()
    await forged.call('POST', '/api/register', { email, password })
    const thief = forged.browser()
    await thief.home.post('/login', { username: email, password })
    const token = thief.cookie('session')
    const { id } = await forged.userOf(token)
    const page = refreshTarget((await thief.home.post('/auth/oidc/connect')).html)
    const { reply: userinfo, asked } = held()
    const back = thief.comeBack(forger.back(page, { userinfo }).callback)
    const letGo = await asked
    if (end === 'log out') await forged.call('POST', '/api/logout', {}, token)
    else await forged.browser().signIn('github', githubPerson(email))
    letGo()
    const { status, code } = refusal(await back)
    t.ok(status >= 400 && status < 500, `${end}: ${status} ${code}`)
    const found = await forged.sql('select issuer from identities where user_id = $1', [id])
    t.same(found, end === 'log out' ? [] : [{ issuer: github.origin }])
  }
})

t.test('an ended session connects nothing, although its token has not expired', async (t) => {
  const { email, access_token, user } = await register()
  const visitor = await asUser(email)
  const callback = await connecting(visitor, 'oidc', openidPerson(anAddress()))
  const token = visitor.cookie('session')
  await call('POST', '/api/logout', { everywhere: true }, access_token)
  t.equal(visitor.cookie('session'), token, 'the browser still has the cookie')
  t.same(refusal(await visitor.comeBack(callback)), refused(400, 'invalid_state'))
  t.match(await standingOf(user.id), { identities: 0 })
})

t.test('a connection that one user started is not completed for another', async (t) => {
  const [alice, mallory] = [await register(), await register()]
  for (const meanwhile of ['another user', 'nobody']) {
    const visitor = await asUser(mallory.email)
    const callback = await connecting(visitor, 'oidc', openidPerson(anAddress()))
    await visitor.home.post('/logout')
    if (meanwhile === 'another user') {
      await visitor.home.post('/login', { username: alice.email, password })
    }
    const back = await visitor.comeBack(callback)
    t.same(refusal(back), refused(400, 'invalid_state'), meanwhile)
  }
  t.same(await identitiesOf(alice.access_token), [])
  t.same(await identitiesOf(mallory.access_token), [])
})

t.test('connecting and disconnecting need the password or a recent login', async (t) => {
  const { email, user, access_token } = await register()
  const visitor = await asUser(email)
  await connect(visitor, 'github', githubPerson(anAddress()))
  await sql(`update sessions set created_at = now() - interval '301 s' where user_id = $1`, [
    user.id,
  ])
  for (const path of ['/auth/oidc/connect', '/auth/github/disconnect']) {
    const asked = await visitor.home.post(path)
    t.equal(asked.status, 403, path)
    t.match(asked.html, new RegExp(`action="${path}"`))
    t.match(asked.html, 'type="password"')
    t.notOk(visitor.cookie('__Host-social'))
    const wrong = await visitor.home.post(path, { password: 'wrong horse battery' })
    t.equal(wrong.status, 401)
    t.match(wrong.html, 'type="password"')
    t.notOk(visitor.cookie('__Host-social'))
  }
  const api = (body: object) => call('DELETE', '/api/user/identities/github', body, access_token)
  t.match(await api({}), { status: 403, body: { code: 'reauthentication_required' } })
  t.match(await api({ password: 'wrong horse battery' }), { status: 401 })
  t.same(await identitiesOf(access_token), ['github'])
  t.equal((await connect(visitor, 'oidc', openidPerson(anAddress()), { password })).status, 303)
  t.equal((await api({ password })).status, 200)
  t.match(await api({ password }), { status: 404, body: { code: 'not_found' } })
  t.equal((await visitor.home.post('/auth/oidc/disconnect', { password })).location, '/welcome')
  t.same(await identitiesOf(access_token), [])
})

t.test('the last login method cannot be disconnected', async (t) => {
  const [person, other] = [openidPerson(anAddress()), githubPerson(anAddress())]
  const visitor = browser()
  await visitor.signIn('oidc', person)
  const token = visitor.cookie('session')
  const { id } = await userOf(token)
  const remove = (name: string) => call('DELETE', `/api/user/identities/${name}`, {}, token)
  t.match(await remove('oidc'), { status: 409, body: { code: 'last_login_method' } })
  t.equal((await visitor.home.post('/auth/oidc/disconnect')).status, 409)
  t.same(await identitiesOf(token), ['oidc'])
  await connect(visitor, 'github', other)
  t.equal((await remove('oidc')).status, 200)
  t.match(await remove('github'), { status: 409 })
  t.match(await remove('google'), { status: 404 })
  const back = browser()
  await back.signIn('github', other)
  t.equal((await userOf(back.cookie('session'))).id, id)
  await Promise.all([connect(visitor, 'oidc', person), connect(back, 'oidc', person)])
  const both = await Promise.all([remove('oidc'), remove('github')])
  t.same(
    both.map(({ status }) => status).sort(),
    [200, 409],
    'one of two concurrent requests fails',
  )
})

t.test('another site cannot connect or disconnect a provider', async (t) => {
  const { email, access_token } = await register()
  const visitor = await asUser(email)
  await connect(visitor, 'github', githubPerson(anAddress()))
  for (const [what, from] of Object.entries(fromAnotherSite)) {
    for (const path of ['/auth/oidc/connect', '/auth/github/disconnect']) {
      const answer = await visitor.home.post(path, {}, { ...from, accept: 'application/json' })
      t.same(refusal(answer), refused(403, 'cross_site_request'), `${path}, ${what}`)
      t.notOk(visitor.cookie('__Host-social'), 'no transaction is started')
    }
    const answer = await fetch(`${app.origin}/api/user/identities/github`, {
      method: 'DELETE',
      headers: {
        'content-type': 'application/json',
        cookie: `__Host-session=${visitor.cookie('session')}`,
        ...from,
      },
      body: '{}',
    })
    t.equal(answer.status, 403, what)
  }
  for (const path of ['/auth/oidc/connect', '/auth/github/disconnect']) {
    t.equal((await visitor.home.get(path)).status, 405, `${path} by GET`)
    t.equal(
      (await visitor.home.post(path, { next: '/' })).status,
      400,
      'an unknown field is refused',
    )
    const stranger = await browser().home.post(path)
    t.ok([303, 401].includes(stranger.status), `${path} without a session: ${stranger.status}`)
    t.notOk(stranger.setCookies.includes('__Host-social'))
  }
  t.equal((await visitor.home.post('/auth/google/connect')).status, 404)
  t.same(await identitiesOf(access_token), ['github'])
})
