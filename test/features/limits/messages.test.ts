import t, { type Test } from 'tap'
import { ada, bearer, signUp, testApp } from '../../support/app.js'
import { mailingApp } from '../../support/smtp-sink.js'
import { until } from '../../support/until.js'

const password = 'correct horse battery'

t.test('the mail that one user can cause to other addresses is limited', async (t) => {
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

/** Registers one address twelve times. @returns the messages that were sent */
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

t.test('repeated registrations of an active address send at most five messages', async (t) => {
  const messages = await registerOverAndOver(t, true)
  t.same(
    messages,
    Array.from({ length: 5 }, () => ({ message: 'already_registered' })),
  )
})

t.test('repeated registrations of an inactive address leave one valid message', async (t) => {
  t.same(await registerOverAndOver(t, false), [{ message: 'choose_password' }])
})

/** Creates an account with a known device and network, and returns functions that ask for messages to it. */
async function account(t: Test) {
  const { origin, sink, post, activeAccount, untilSent } = await mailingApp(t, {
    RATE_LIMIT: 'on',
    RATE_LIMIT_FORGOT: '1000/1h',
  })
  await activeAccount(ada)
  const send = (path: string, body: object, headers: Record<string, string>) =>
    fetch(origin + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const home = { 'x-forwarded-for': '203.0.113.1' }
  const login = await send('/api/login', ada, home)
  const device = /device=[^;]+/.exec(login.headers.getSetCookie().join('\n'))?.[0] ?? ''
  const before = sink.mails.length
  /** Sends `count` requests. @returns the number of mails so far */
  const ask = async (path: string, count: number, headers?: Record<string, string>) => {
    for (let nth = 0; nth < count; nth += 1) {
      const from = headers ?? { 'x-forwarded-for': `192.0.2.${nth}` }
      const { status } = await send(path, { email: ada.email }, from)
      if (status !== 202) throw new Error(`${path} answered ${status}`)
      await untilSent()
    }
    return sink.mails.length - before
  }
  return { ask, device, home, post, sink }
}

t.test('requests that send no message use no budget', async (t) => {
  const { ask } = await account(t)
  t.equal(await ask('/api/activate/resend', 8), 0, 'the account is active')
  t.equal(await ask('/api/password/forgot', 1), 1)
})

t.test('a retried message is counted once', async (t) => {
  const { sink, sql, post, activeAccount, untilSent, hurry } = await mailingApp(t, {
    RATE_LIMIT: 'on',
  })
  await activeAccount(ada)
  await untilSent()
  await sql('delete from rate_limits')
  await sink.become(450)
  await post('/api/password/forgot', { email: ada.email })
  const isTried = async () => (await sql('select from outbox where attempts > 1')).length === 1
  await until(async () => {
    await hurry()
    return isTried()
  }, 'another try')
  await sink.become('accepts')
  await hurry()
  await untilSent()
  t.same(await sql(`select points from rate_limits where key like 'messages:%'`), [{ points: 1 }])
})

t.test('messages requested by strangers do not use the budget of the owner', async (t) => {
  const { ask, device, home, post, sink } = await account(t)
  t.equal(await ask('/api/password/forgot', 8), 5)
  t.equal(
    await ask('/api/password/forgot', 7, home),
    10,
    'the network of a login has its own budget',
  )
  const elsewhere = { 'x-forwarded-for': '203.0.113.2', cookie: device }
  t.equal(
    await ask('/api/password/forgot', 7, elsewhere),
    15,
    'the device of a login has its own budget',
  )
  const { token } = sink.mails.at(-1)!
  const reset = { token, new_password: 'a better horse battery' }
  t.equal((await post('/api/password/reset', reset)).status, 200, 'the last one works')
  await until(() => /changed/.test(sink.mails.at(-1)!.subject), 'the notice of the change')
  const sent = await ask('/api/password/forgot', 0)
  t.equal(await ask('/api/password/forgot', 1), sent + 1, 'the reset restores the budget')
})
