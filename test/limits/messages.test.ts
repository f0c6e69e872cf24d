import t, { type Test } from 'tap'
import { ada, bearer, signUp, testApp } from '../support/app.js'

const password = 'correct horse battery'

t.test('one user cannot have mail sent to strangers without end', async (t) => {
  const { app, sql } = await testApp(t, { env: { RATE_LIMIT: 'on' } })
  const { access_token } = await signUp(app)
  const change = async (email: string) => {
    const headers = bearer(access_token)
    const request = { method: 'PATCH', url: '/api/user', headers, payload: { email } } as const
    return (await app.inject(request)).statusCode
  }
  for (let nth = 0; nth < 10; nth += 1) t.equal(await change(`stranger-${nth}@example.org`), 200)
  t.equal(await change('stranger-10@example.org'), 429)
  t.equal((await sql('select from outbox')).length, 10)
})

/** Twelve registrations of one address, with who is told of them. */
async function registerOverAndOver(t: Test, isActive: boolean) {
  const { app, sql } = await testApp(t, { env: { RATE_LIMIT: 'on', ACTIVATION: 'required' } })
  const register = async () => {
    const payload = { email: ada.email, password }
    return (await app.inject({ method: 'POST', url: '/api/register', payload })).statusCode
  }
  t.equal(await register(), 201)
  if (isActive) await sql('update users set activated_at = now()')
  await sql('delete from outbox')
  for (let nth = 0; nth < 12; nth += 1) t.equal(await register(), 201, 'the answer is the same')
  return sql<{ message: string }>('select message from outbox')
}

t.test('nor can somebody who registers an address over and over fill its mailbox', async (t) => {
  const messages = await registerOverAndOver(t, true)
  t.same(
    messages,
    Array.from({ length: 5 }, () => ({ message: 'already_registered' })),
  )
})

t.test('and the last message of a contested registration is left to work', async (t) => {
  t.same(await registerOverAndOver(t, false), [{ message: 'choose_password' }])
})
