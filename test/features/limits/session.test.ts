import t from 'tap'
import { ada, bearer, logIn, signUp, testApp } from '../../support/app.js'

const env = { RATE_LIMIT: 'on' }
const wrong = 'wrong horse battery'
const newPassword = 'another horse battery'

t.test('password guesses with an access token share one budget per session', async (t) => {
  const { app } = await testApp(t, { env })
  const thief = await signUp(app)
  const owner = await logIn(app)
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now })

  const change = (token: string, old_password: string) =>
    app.inject({
      method: 'POST',
      url: '/api/user/password',
      headers: bearer(token),
      payload: { old_password, new_password: newPassword },
    })
  const remove = (token: string, password: string) =>
    app.inject({
      method: 'DELETE',
      url: '/api/user',
      headers: bearer(token),
      payload: { password },
    })
  const readdress = (token: string, password: string) =>
    app.inject({
      method: 'PATCH',
      url: '/api/user',
      headers: bearer(token),
      payload: { email: 'eve@example.org', password },
    })

  const statuses: number[] = []
  for (let round = 0; round < 2; round += 1) {
    for (const use of [change, remove, readdress]) {
      statuses.push((await use(thief.access_token, wrong)).statusCode)
    }
  }
  t.same(statuses, Array(6).fill(401))
  for (const use of [change, remove, readdress]) {
    for (const password of [wrong, ada.password]) {
      const refused = await use(thief.access_token, password)
      t.equal(refused.statusCode, 429, 'even with the right password')
      t.match(refused.json(), { code: 'rate_limited' })
      t.match(refused.headers, { 'retry-after': '1', 'ratelimit-remaining': '0' })
    }
  }

  await logIn(app)
  const again = { access_token: thief.access_token }
  t.equal(
    (await change(again.access_token, ada.password)).statusCode,
    429,
    'a login does not restore the budget',
  )
  t.equal(
    (await change(owner.access_token, ada.password)).statusCode,
    200,
    'another session has its own budget',
  )
  await logIn(app, { ...ada, password: newPassword })
})

t.test('the right password restores the budget of a session', async (t) => {
  const { app } = await testApp(t, { env })
  const { access_token } = await signUp(app)
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
  const change = async (old_password: string) => {
    const { statusCode } = await app.inject({
      method: 'POST',
      url: '/api/user/password',
      headers: bearer(access_token),
      payload: { old_password, new_password: ada.password },
    })
    return statusCode
  }
  for (let nth = 0; nth < 4; nth += 1) t.equal(await change(wrong), 401)
  t.equal(await change(ada.password), 200)
  for (let nth = 0; nth < 6; nth += 1) t.equal(await change(wrong), 401)
  t.equal(await change(ada.password), 429)
})
