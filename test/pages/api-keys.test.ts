import t from 'tap'
import { ada, bearer, signUp, testApp } from '../support/app.js'
import { isForm } from '../support/oauth.js'

t.test('a user makes a key on the page, sees it once, and revokes it', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  const cookie = { cookie: `session=${access_token}`, accept: 'text/html' }
  const get = () => app.inject({ url: '/welcome/api-keys', headers: cookie })
  const post = (path: string, form: Record<string, string>, more: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: `/welcome/api-keys${path}`,
      headers: { ...cookie, ...isForm, ...more },
      payload: new URLSearchParams(form).toString(),
    })
  t.match((await get()).body, 'You have no API keys')
  const made = await post('', { name: 'backup', roles: 'user', days: '', password: ada.password })
  const [key = ''] = /gatehouse_[0-9A-Za-z]{38}/.exec(made.body) ?? []
  t.equal((await app.inject({ url: '/api/user', headers: bearer(key) })).statusCode, 200)
  t.equal(made.headers['cache-control'], 'no-store')
  const { body } = await get()
  t.match(body, 'Revoke backup')
  t.notMatch(body, key)
  const [, id = ''] = /api-keys\/([0-9a-f-]{36})\/revoke/.exec(body) ?? []
  const foreign = await post(`/${id}/revoke`, {}, { 'sec-fetch-site': 'cross-site' })
  t.equal(foreign.statusCode, 403, 'not from another site')
  t.match(await post(`/${id}/revoke`, {}), {
    statusCode: 303,
    headers: { location: '/welcome/api-keys' },
  })
  t.equal((await app.inject({ url: '/api/user', headers: bearer(key) })).statusCode, 401)

  for (const [form, fault] of [
    [{ name: 'backup', roles: 'admin' }, 'must be roles that the user has'],
    [{ name: 'backup', days: '366' }, 'must be between 1 and 365'],
    [{ name: '' }, 'must be one line'],
    [{ name: 'backup', password: 'another horse battery' }, 'Invalid credentials'],
  ] as const) {
    const answer = await post('', form)
    t.ok(answer.statusCode >= 400, answer.body)
    t.match(answer.body, fault)
  }
})

t.test('the page of keys asks for a login', async (t) => {
  const { app } = await testApp(t)
  const answer = await app.inject({ url: '/welcome/api-keys', headers: { accept: 'text/html' } })
  t.equal(answer.headers.location, '/login?next=%2Fwelcome%2Fapi-keys')
})
