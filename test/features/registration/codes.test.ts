import t from 'tap'
import { mailingApp, type Mail } from '../../support/smtp-sink.js'
import { until } from '../../support/until.js'

const { sink, sql, post, call, activeAccount } = await mailingApp(t)
const password = 'correct horse battery'
const new_password = 'a better horse battery'
let people = 0
const isInvalid = { status: 400, body: { code: 'invalid_code' } }

t.test('a code or link is good for its own purpose and address, and for no other', async (t) => {
  const ada = person()
  const { email } = ada
  const acts = {
    activate: (proof: object) => post('/api/activate', proof),
    reset: (proof: object) => post('/api/password/reset', { ...proof, new_password }),
    confirm: (proof: object) => post('/api/user/confirm', proof),
  }
  const held: { act: keyof typeof acts; mail: Mail }[] = []
  const hold = async (act: keyof typeof acts, to: string) => {
    held.push({ act, mail: await sink.next(to) })
  }
  await post('/api/register', ada)
  await hold('activate', email)
  await post('/api/password/forgot', { email })
  await hold('reset', email)
  const bob = person()
  await activeAccount(bob)
  await post('/api/password/forgot', { email: bob.email })
  await hold('reset', bob.email)
  const eve = person()
  const { email: other } = person()
  await activeAccount(eve)
  const { access_token } = (await post('/api/login', eve)).body
  await call('PATCH', '/api/user', { email: other }, access_token)
  await hold('confirm', other)

  const addresses = [...new Set([...held.map(({ mail }) => mail.to), eve.email])]
  for (const [name, act] of Object.entries(acts)) {
    for (const { act: own, mail } of held) {
      const label = `${own} of ${mail.to} as ${name}`
      if (own !== name) t.match(await act({ token: mail.token }), isInvalid, `link, ${label}`)
      for (const to of addresses) {
        if (own === name && to === mail.to) continue
        const answer = await act({ email: to, code: mail.code })
        t.match(answer, isInvalid, `code, ${label} for ${to}`)
      }
    }
  }
  for (const { act, mail } of held) {
    const answer = await acts[act]({ email: mail.to, code: mail.code })
    t.equal(answer.status, 200, `${act} of ${mail.to}, as it was meant`)
  }
})

t.test('a proof without a code and an address names both', async (t) => {
  t.match(await post('/api/activate', {}), {
    status: 400,
    body: {
      errors: [
        { field: 'code', message: 'Code is required if no token is given.' },
        { field: 'email', message: 'E-mail is required unless a mobile number is given.' },
      ],
    },
  })
})

t.test('a newer message takes the place of the older one', async (t) => {
  const ada = person()
  const { email } = ada
  await activeAccount(ada)
  const reset = (proof: object) => post('/api/password/reset', { ...proof, new_password })
  await post('/api/password/forgot', { email })
  const older = await sink.next(email)
  await post('/api/password/forgot', { email })
  const newer = await sink.next(email)
  t.match(await reset({ token: older.token }), isInvalid)
  t.match(await reset({ email, code: older.code }), isInvalid)
  t.equal((await reset({ token: newer.token })).status, 200)

  const { email: bob } = person()
  await post('/api/register', { email: bob, password })
  const first = await sink.next(bob)
  await post('/api/activate/resend', { email: bob })
  const second = await sink.next(bob)
  t.match(await post('/api/activate', { token: first.token }), isInvalid)
  t.equal((await post('/api/activate', { email: bob, code: second.code })).status, 200)
})

t.test('the fifth wrong code is the last one, but the link still works', async (t) => {
  const ada = person()
  const { email } = ada
  await activeAccount(ada)
  const reset = (proof: object) => post('/api/password/reset', { ...proof, new_password })
  async function afterWrongOnes(count: number) {
    await post('/api/password/forgot', { email })
    const mail = await sink.next(email)
    const wrong = (Number(mail.code) + 1) % 1e8
    const guesses = Array.from({ length: count }, (_, n) =>
      reset({ email, code: String((wrong + n) % 1e8).padStart(8, '0') }),
    )
    for (const answer of await Promise.all(guesses)) t.match(answer, isInvalid)
    return mail
  }
  const four = await afterWrongOnes(4)
  t.equal((await reset({ email, code: four.code })).status, 200)
  t.equal((await sink.next(email)).code, '', 'only the notice of it')
  const five = await afterWrongOnes(5)
  t.match(await reset({ email, code: five.code }), isInvalid)
  t.equal((await reset({ token: five.token })).status, 200)
})

t.test('what expired is refused: the code first, the link later', async (t) => {
  const ada = person()
  const { email } = ada
  await activeAccount(ada)
  const reset = (proof: object) => post('/api/password/reset', { ...proof, new_password })
  const pass = (time: string) =>
    sql(
      `update one_time_codes set code_expires_at = code_expires_at - $1::interval,
           link_expires_at = link_expires_at - $1::interval`,
      [time],
    )
  await post('/api/password/forgot', { email })
  const { code } = await sink.next(email)
  await pass('9 minutes 30 s')
  t.equal((await reset({ email, code })).status, 200)
  await sink.next(email)

  await post('/api/password/forgot', { email })
  const late = await sink.next(email)
  await pass('10 minutes')
  t.match(await reset({ email, code: late.code }), isInvalid)
  await pass('49 minutes')
  t.equal((await reset({ token: late.token })).status, 200)
  await sink.next(email)

  await post('/api/password/forgot', { email })
  const tooLate = await sink.next(email)
  await pass('1 hour')
  t.match(await reset({ token: tooLate.token }), isInvalid)
})

t.test('a changed password or address leaves no older code alive', async (t) => {
  const ada = person()
  const { email } = ada
  const { email: to } = person()
  await activeAccount(ada)
  const { access_token } = (await post('/api/login', ada)).body
  const ask = async () => {
    await post('/api/password/forgot', { email })
    await call('PATCH', '/api/user', { email: to }, access_token)
    return { reset: await sink.next(email), change: await sink.next(to) }
  }
  const isDead = async ({ to, token, code }: Mail, path: string, more = {}) => {
    t.match(await post(path, { token, ...more }), isInvalid, `link, ${path}`)
    t.match(await post(path, { email: to, code, ...more }), isInvalid, `code, ${path}`)
  }

  const before = await ask()
  const passwords = { old_password: password, new_password }
  t.equal((await post('/api/user/password', passwords, access_token)).status, 200)
  await isDead(before.reset, '/api/password/reset', { new_password })
  await isDead(before.change, '/api/user/confirm')
  await sink.next(email)

  const then = await ask()
  const { token } = then.change
  t.equal((await post('/api/user/confirm', { token })).status, 200)
  await isDead(then.reset, '/api/password/reset', { new_password })
  t.equal((await post('/api/login', { email: to, password: new_password })).status, 200)
})

t.test('the database holds no code and no link that could be used', async (t) => {
  const { sink, sql, post } = await mailingApp(t)
  const { email } = person()
  await sink.become('never confirms')
  await post('/api/register', { email, password })
  const { token, code } = await sink.next(email)
  const rows = await sql<{ row: string }>(`
    select to_jsonb(one_time_codes)::text as row from one_time_codes
    union all select to_jsonb(outbox)::text from outbox`)
  t.equal(rows.length, 2, 'the code is stored and the message still waits')
  const dump = rows.map(({ row }) => row).join('\n')
  t.match(dump, email)
  for (const secret of [token, code, Buffer.from(token, 'base64url').toString('latin1')]) {
    for (const form of ['utf8', 'hex', 'base64'] as const) {
      t.notOk(dump.includes(Buffer.from(secret, 'latin1').toString(form)), form)
    }
  }
  await sink.become('accepts')
  t.equal((await post('/api/activate', { token })).status, 200)
})

/** Somebody new. */
function person() {
  people += 1
  return { email: `ada-${people}@example.org`, password }
}

t.test('a message that still waits dies with a changed password', async (t) => {
  const { sink, post, call, activeAccount, hurry, untilSent, sql } = await mailingApp(t)
  const ada = { email: 'ada@example.org', password }
  await activeAccount(ada)
  const { access_token } = (await post('/api/login', ada)).body
  await sink.become('refuses')
  await call('PATCH', '/api/user', { email: 'thief@example.org' }, access_token)
  t.same(await sql(`select address from outbox where message = 'email_change'`), [
    { address: 'thief@example.org' },
  ])
  const passwords = { old_password: password, new_password: 'a better horse battery' }
  t.equal((await post('/api/user/password', passwords, access_token)).status, 200)
  await sink.become('accepts')
  await hurry()
  await untilSent()
  t.notOk(sink.mails.some(({ to }) => to === 'thief@example.org'))
  t.ok(sink.mails.some(({ subject }) => subject.includes('password was changed')))
})

t.test('one new address confirmed leaves the other to be confirmed', async (t) => {
  const { sink, post, call, activeAccount, sql } = await mailingApp(t)
  const ada = { email: 'ada@example.org', password }
  await activeAccount(ada)
  const { access_token } = (await post('/api/login', ada)).body
  const wanted = { email: 'lovelace@example.org', mobile: '+441632960960' }
  t.same((await call('PATCH', '/api/user', wanted, access_token)).body.pending, ['email', 'mobile'])
  const { token } = await sink.next('lovelace@example.org')
  await until(async () => (await sql('select from outbox')).length === 0, 'both to be sent')
  t.equal((await post('/api/user/confirm', { token })).status, 200)
  t.same(await sql('select purpose from one_time_codes where used_at is null'), [
    { purpose: 'mobile_change' },
  ])
})
