import t from 'tap'
import { mailingApp, type Mail } from '../../support/smtp-sink.js'

const { sink, sql, post, activeAccount, untilSent } = await mailingApp(t)
const password = 'correct horse battery'
const states = ['unknown', 'active', 'pending', 'disabled'] as const
const owners = {
  unknown: 'una@example.org',
  active: 'ann@example.org',
  pending: 'pia@example.org',
  disabled: 'dan@example.org',
}

/** What each of their owners is told. */
const told: Record<string, Record<(typeof states)[number], string | undefined>> = {
  '/api/password/forgot': {
    unknown: undefined,
    active: 'Reset your Gatehouse password',
    pending: 'Reset your Gatehouse password',
    disabled: 'Reset your Gatehouse password',
  },
  '/api/activate/resend': {
    unknown: undefined,
    active: undefined,
    pending: 'Activate your Gatehouse account',
    disabled: undefined,
  },
  '/api/register': {
    unknown: 'Activate your Gatehouse account',
    active: 'You already have an account at Gatehouse',
    pending: 'Choose a password for Gatehouse',
    disabled: 'You already have an account at Gatehouse',
  },
}

t.test('every answer is the same whoever has the address; its owner is told', async (t) => {
  await activeAccount({ email: owners.active, password })
  await activeAccount({ email: owners.disabled, password })
  await sql(`update users set disabled_at = now() where email = $1`, [owners.disabled])
  await post('/api/register', { email: owners.pending, name: 'Pia', password })

  for (const [path, subjects] of Object.entries(told)) {
    await untilSent()
    const before = sink.mails.length
    const isRegister = path === '/api/register'
    const answers = []
    for (const state of states) {
      const email = owners[state].replace('example', 'Example')
      const account = { name: ' Eve ', gender: 'x', username: `of.${nameOf(email)}`, password }
      const answer = await post(path, { email, ...(isRegister && account) })
      t.equal(answer.status, isRegister ? 201 : 202)
      answers.push({
        headers: [...answer.headers.keys()].sort(),
        body: withoutDetails(answer.body, nameOf(email)),
      })
    }
    for (const [at, answer] of answers.entries()) {
      t.same(answer, answers[0], `${path}: ${states[at] ?? ''}`)
    }
    await untilSent()
    const mails = sink.mails
      .slice(before)
      .map(({ to, subject }) => `${to.toLowerCase()} ${subject}`)
    const expected = states.flatMap((state) =>
      subjects[state] === undefined ? [] : [`${owners[state]} ${subjects[state]}`],
    )
    t.same(mails.sort(), expected.sort(), path)
  }
})

t.test('a second registration makes no account and changes nothing of an active one', async (t) => {
  const ada = { email: 'ada@example.org', password }
  await activeAccount(ada)
  const rows = () => sql('select * from users where email = $1', [ada.email])
  const before = await rows()
  const second = { ...ada, name: 'Eve', password: 'a better horse battery' }
  const { body } = await post('/api/register', second)
  t.not(body.user.id, before[0]!.id)
  t.same(await rows(), before)
  t.same(await sink.next(ada.email).then(secretsOf), ['', ''])
  t.equal((await post('/api/login', ada)).status, 200)
  t.equal((await post('/api/login', { ...ada, password: second.password })).status, 401)
})

t.test('of two that registered one address neither set its password', async (t) => {
  const email = 'eve@example.org'
  const logIn = (password: string) => post('/api/login', { email, password })
  const first = 'first of the two'
  const second = 'second of the two'
  const chosen = 'chosen by its reader'
  await post('/api/register', { email, password: first })
  const activation = await sink.next(email)
  await post('/api/register', { email, password: second })
  const choice = await sink.next(email)
  t.equal(choice.subject, 'Choose a password for Gatehouse')
  t.match(choice.link, /\/reset\?token=/)
  t.equal(
    (await sql('select from users where email = $1 and password_hash is null', [email])).length,
    1,
  )
  for (const proof of [{ token: activation.token }, { email, code: activation.code }]) {
    t.equal((await post('/api/activate', proof)).status, 400, 'the first message is dead')
  }
  const { token } = choice
  t.equal((await post('/api/password/reset', { token, new_password: chosen })).status, 200)
  t.equal((await logIn(first)).status, 401)
  t.equal((await logIn(second)).status, 401)
  t.equal((await logIn(chosen)).status, 200)
})

t.test('a taken username is said openly, and then no message goes out', async (t) => {
  await activeAccount({ email: 'kim@example.org', password })
  const bob = { email: 'bob@example.org', username: 'bob', password }
  await post('/api/register', bob)
  await untilSent()
  const before = sink.mails.length
  for (const email of ['new@example.org', 'kim@example.org', 'bob@example.org']) {
    const answer = await post('/api/register', { ...bob, email })
    t.match(answer, { status: 409, body: { code: 'username_taken' } })
  }
  await untilSent()
  t.equal(sink.mails.length, before)
})

const secretsOf = ({ token, code }: Mail) => [token, code]

const nameOf = (email: string) => email.split('@')[0] ?? ''

/** An answer without what is different every time: ids, times, and what was sent. */
function withoutDetails(body: { user?: Record<string, unknown> }, name: string) {
  const text = JSON.stringify(body)
    .replaceAll(name, 'NAME')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/, 'UUIDv7')
    .replace(/(?<=_at":")[^"]+/g, (time) => time.replace(/\d/g, '0'))
  return { text, isSameTime: body.user?.created_at === body.user?.updated_at }
}
