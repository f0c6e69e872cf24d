import t from 'tap'
import { publicUrl, refusal, refused, socialApp } from '../../support/social/app.js'
import { githubServer } from '../../support/social/github.js'
import { localServer } from '../../support/social/local-server.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import {
  accountsOf,
  aNumber,
  anAddress,
  githubPerson,
  openidPerson,
  password,
  personAt,
} from '../../support/social/people.js'
import type { Traveller } from '../../support/social/traveller.js'
import { smtpSink, type Mail } from '../../support/smtp-sink.js'
import { until } from '../../support/until.js'

const openid = await openidProvider(t, publicUrl)
const github = await githubServer(t, publicUrl)
const sink = await smtpSink(t)
const phone = await phoneOf()
const env = { ...openid.env, ...github.env, MAIL_URL: sink.url, ...phone.env }
const app = await socialApp(t, { env })
const { browser, call, sql, userOf, isAlive, identitiesOf, standingOf } = app
const { register, verifiedAccount, logIn, asUser, connecting, connect } = accountsOf(app, publicUrl)

t.test('a provider is linked if the address is verified both here and there', async (t) => {
  for (const provider of ['oidc', 'github'] as const) {
    const { email, user, access_token } = await verifiedAccount()
    const visitor = browser()
    const back = await visitor.signIn(provider, personAt[provider](email.toUpperCase()))
    t.equal(back.status, 303, provider)
    t.equal((await userOf(visitor.cookie('session'))).id, user.id)
    t.same(await identitiesOf(access_token), [provider])
    t.ok(await isAlive(access_token), 'existing sessions stay')
    t.ok(await logIn(email), 'the password stays')
    t.match(await sink.next(email), {
      subject: 'A new way to log in was added at Gatehouse',
      code: '',
    })
  }
})

t.test('the owner of an address takes over an account that never verified it', async (t) => {
  for (const provider of ['oidc', 'github'] as const) {
    const email = anAddress()
    const mobile = aNumber()
    const attacker = await register({ email, mobile, username: `user-${provider}` })
    const second = { ...openidPerson(anAddress()), email_verified: false }
    const thief = await asUser(email)
    t.equal((await connect(thief, 'oidc', second)).status, 303)
    await call('POST', '/api/password/forgot', { mobile })
    const reset = await phone.next(mobile)
    await call('PATCH', '/api/user', { email: anAddress() }, attacker.access_token)
    const pending = await connecting(thief, 'github', githubPerson(anAddress()))

    const owner = browser()
    t.equal((await owner.signIn(provider, personAt[provider](email))).status, 303, provider)
    const token = owner.cookie('session')
    t.match(await userOf(token), { id: attacker.user.id, email, mobile: null, active: true })
    t.match(await standingOf(attacker.user.id), {
      email_verified: true,
      has_password: false,
      sessions: 1,
      identities: 1,
    })
    t.same(await identitiesOf(token), [provider])

    t.equal((await call('POST', '/api/login', { email, password })).status, 401)
    const { refresh_token } = attacker
    t.equal((await call('POST', '/api/refresh', { refresh_token })).status, 401)
    t.notOk(await isAlive(attacker.access_token))
    t.notOk(await isAlive(thief.cookie('session')))
    const other = browser()
    await other.signIn('oidc', second)
    t.not((await userOf(other.cookie('session'))).id, attacker.user.id)
    t.same(refusal(await thief.comeBack(pending)), refused(400, 'invalid_state'))
    const proofs = [{ token: reset.token }, { mobile, code: reset.code }]
    for (const proof of proofs) {
      const answer = await call('POST', '/api/password/reset', { ...proof, new_password: password })
      t.match(answer, { status: 400, body: { code: 'invalid_code' } })
    }
    t.same(await sql('select from one_time_codes where user_id = $1', [attacker.user.id]), [])
    const waiting = `select from outbox where user_id = $1 and message = 'email_change'`
    t.same(await sql(waiting, [attacker.user.id]), [])
    t.ok(await isAlive(token))
    const subjects = [(await sink.next(email)).subject, (await sink.next(email)).subject]
    t.match(
      subjects,
      [/^A new way to log in/, /account was removed$/],
      'one for the identity of the thief, one for its removal',
    )
  }
})

t.test('after a takeover the first identity cannot log in to the account again', async (t) => {
  const email = anAddress()
  const early = { ...openidPerson(email), email_verified: false }
  const thief = browser()
  await thief.signIn('oidc', early)
  const { id } = await userOf(thief.cookie('session'))
  const owner = browser()
  await owner.signIn('github', githubPerson(email))
  t.equal((await userOf(owner.cookie('session'))).id, id)
  t.notOk(await isAlive(thief.cookie('session')))
  for (const person of [early, { ...early, email_verified: undefined }]) {
    t.same(refusal(await browser().signIn('oidc', person)), refused(409, 'account_exists'))
  }
  t.same(await identitiesOf(owner.cookie('session')), ['github'])
})

t.test('the owner of the address takes over an account that is not activated', async (t) => {
  const required = await socialApp(t, { env: { ...env, ACTIVATION: 'required' } })
  const email = anAddress()
  await required.call('POST', '/api/register', { email, password })
  const { token, code } = await sink.next(email)
  const owner = required.browser()
  t.equal((await owner.signIn('oidc', openidPerson(email))).status, 303)
  t.match(await required.userOf(owner.cookie('session')), { email, active: true })
  t.equal((await required.call('POST', '/api/login', { email, password })).status, 401)
  for (const proof of [{ token }, { email, code }]) {
    t.equal((await required.call('POST', '/api/activate', proof)).status, 400)
  }
})

t.test('a password reset by message removes identities connected before it', async (t) => {
  for (const how of ['a password', 'oidc, unproven']) {
    const email = anAddress()
    const thief = browser()
    const early = { ...openidPerson(how === 'a password' ? anAddress() : email) }
    if (how === 'a password') {
      await register({ email })
      await thief.home.post('/login', { username: email, password })
      await connect(thief, 'oidc', early)
    } else await thief.signIn('oidc', { ...early, email_verified: false })
    const { id } = await userOf(thief.cookie('session'))
    await call('POST', '/api/password/forgot', { email })
    const { token } = await resetMail(email)
    const reset = await call('POST', '/api/password/reset', { token, new_password: password })
    t.equal(reset.status, 200)
    t.equal((await logIn(email)).user.id, id)
    t.match(await standingOf(id), { email_verified: true, identities: 0 }, how)
    const back = browser()
    await back.signIn('oidc', { ...early, email_verified: false })
    const found = back.cookie('session') && (await userOf(back.cookie('session'))).id
    t.not(found, id, how)
  }
})

t.test('a reset keeps identities connected after the address was verified', async (t) => {
  const { email, user } = await verifiedAccount()
  const person = githubPerson(anAddress())
  await connect(await asUser(email), 'github', person)
  await call('POST', '/api/password/forgot', { email })
  const { token } = await resetMail(email)
  await call('POST', '/api/password/reset', { token, new_password: password })
  const visitor = browser()
  await visitor.signIn('github', person)
  t.equal((await userOf(visitor.cookie('session'))).id, user.id)
})

t.test('an account with a verified mobile number stays, but loses the address', async (t) => {
  for (const provider of ['oidc', 'github'] as const) {
    const [email, mobile] = [anAddress(), aNumber()]
    const first = await register({ email, mobile })
    await sql('update users set mobile_verified_at = now() where id = $1', [first.user.id])
    const owner = browser()
    t.equal((await owner.signIn(provider, personAt[provider](email))).status, 303, provider)
    const found = await userOf(owner.cookie('session'))
    t.match(found, { email, mobile: null, active: true })
    t.not(found.id, first.user.id)
    t.ok(await isAlive(first.access_token))
    t.match(await userOf(first.access_token), { id: first.user.id, email: null, mobile })
    t.equal((await call('POST', '/api/login', { mobile, password })).status, 200)
    t.equal((await call('POST', '/api/login', { email, password })).status, 401)
    t.same(await identitiesOf(first.access_token), [])
  }
})

t.test('a disabled account is neither linked nor taken over', async (t) => {
  for (const proven of [true, false]) {
    const { email, user } = proven ? await verifiedAccount() : await register()
    await sql('update users set disabled_at = now() where id = $1', [user.id])
    const back = await browser().signIn('oidc', openidPerson(email))
    t.same(refusal(back), refused(401, 'invalid_credentials'))
    t.match(await standingOf(user.id), { email, has_password: true, email_verified: proven })
  }
})

/** By the first login with an address: what a second login with the same address does to the account. */
const matrix: Record<string, Record<string, string>> = {
  'a password': { oidc: 'claimed', 'oidc, unproven': 'exists', github: 'claimed' },
  'a password and a proven address': {
    oidc: 'linked',
    'oidc, unproven': 'exists',
    github: 'linked',
  },
  oidc: { oidc: 'exists', 'oidc, unproven': 'exists', github: 'linked' },
  'oidc, unproven': { oidc: 'claimed', 'oidc, unproven': 'exists', github: 'claimed' },
  github: { oidc: 'linked', 'oidc, unproven': 'exists', github: 'exists' },
}

for (const [first, nexts] of Object.entries(matrix)) {
  for (const [next, outcome] of Object.entries({ ...nexts, 'github, unproven': 'no address' })) {
    t.test(`first ${first}, then ${next}: ${outcome}`, async (t) => {
      const email = anAddress()
      const old = await arriveFirst(first, email)
      const { id } = await userOf(old)
      const visitor = browser()
      const back = await comeAs(visitor, next, email)
      const token = visitor.cookie('session')
      if (outcome === 'exists') t.same(refusal(back), refused(409, 'account_exists'))
      if (outcome === 'no address') t.same(refusal(back), refused(403, 'email_required'))
      if (token) t.equal((await userOf(token)).id, id)
      t.equal(token !== '', ['linked', 'claimed'].includes(outcome))
      t.equal(await isAlive(old), outcome !== 'claimed')
      const { has_password, email_verified, identities } = await standingOf(id)
      const wasProven = !['a password', 'oidc, unproven'].includes(first)
      t.equal(has_password, first.startsWith('a password') && outcome !== 'claimed')
      t.equal(email_verified, wasProven || outcome === 'claimed')
      const before = first.startsWith('a password') ? 0 : 1
      t.equal(identities, { linked: before + 1, claimed: 1 }[outcome] ?? before)
      t.equal((await sql('select from users where email_canonical = $1', [email])).length, 1)
    })
  }
}

t.test('a browser gets account_exists as a message on the login form', async (t) => {
  const { email } = await verifiedAccount()
  const visitor = browser()
  const person = { ...openidPerson(email), email_verified: false }
  const back = await visitor.comeBack(await visitor.arrive('oidc', person), { html: true })
  t.equal(back.status, 303)
  t.match(back.location, /^\/login(\?|$)/)
  t.notOk(visitor.cookie('session'))
  t.match((await visitor.home.get(back.location ?? '')).html, 'You have an account')
})

t.test('an address with full-width letters does not match the ASCII address', async (t) => {
  const { email, user } = await verifiedAccount()
  const wide = email.replace('person', '\uff50erson')
  const back = await browser().signIn('oidc', openidPerson(wide))
  t.ok(back.status >= 400, `${back.status}`)
  t.match(await standingOf(user.id), { identities: 0 })
})

t.test('concurrent first logins create one account', async (t) => {
  for (const exists of [true, false]) {
    const email = exists ? (await register()).email : anAddress()
    const person = openidPerson(email)
    const visitors = Array.from({ length: 8 }, () => browser())
    const callbacks = await Promise.all(visitors.map((visitor) => visitor.arrive('oidc', person)))
    const answers = await Promise.all(
      visitors.map((visitor, index) => visitor.comeBack(callbacks[index]!)),
    )
    for (const { status } of answers) t.ok([303, 503].includes(status), `${status}`)
    t.ok(answers.some(({ status }) => status === 303))
    t.equal((await sql('select from users where email_canonical = $1', [email])).length, 1)
    t.equal((await sql('select from identities where subject = $1', [person.sub])).length, 1)
  }
})

t.test('deleting an account deletes its identities', async (t) => {
  const person = openidPerson(anAddress())
  const visitor = browser()
  await visitor.signIn('oidc', person)
  const token = visitor.cookie('session')
  const { id } = await userOf(token)
  await sql('delete from users where id = $1', [id])
  await visitor.home.post('/logout')
  await visitor.signIn('oidc', person)
  t.not((await userOf(visitor.cookie('session'))).id, id)
})

async function resetMail(email: string): Promise<Mail> {
  for (;;) {
    const mail = await sink.next(email)
    if (mail.subject.startsWith('Reset')) return mail
  }
}

/** Creates an account in one of these ways. @returns its access token */
async function arriveFirst(how: string, email: string): Promise<string> {
  if (how === 'a password') return (await register({ email })).access_token
  if (how === 'a password and a proven address') return (await verifiedAccount(email)).access_token
  const visitor = browser()
  await comeAs(visitor, how, email)
  return visitor.cookie('session')
}

function comeAs(visitor: Traveller, how: string, email: string) {
  const proven = !how.endsWith('unproven')
  const person = how.startsWith('oidc')
    ? { ...openidPerson(email), email_verified: proven }
    : { ...githubPerson(email), emails: [{ email, primary: true, verified: proven }] }
  return visitor.signIn(how.startsWith('oidc') ? 'oidc' : 'github', person)
}

/** A server for SMS_WEBHOOK_URL. */
async function phoneOf() {
  const messages: { to: string; text: string }[] = []
  const url = await localServer(t, ({ body }, response) => {
    messages.push((JSON.parse(body) as { data: (typeof messages)[0] }).data)
    response.writeHead(204).end()
  })
  return {
    env: {
      SMS_WEBHOOK_URL: url,
      SMS_WEBHOOK_SECRET: 'a-long-enough-Secret-of-the-webhook-9876543210',
    },
    async next(to: string) {
      const find = () => messages.findLast((message) => message.to === to)
      await until(() => find() !== undefined, `a short message to ${to}`)
      const { text } = find()!
      const code = /: (\d{8}) /.exec(text)?.[1] ?? ''
      return { code, token: /\?token=([\w-]+)$/.exec(text)?.[1] ?? '' }
    },
  }
}
