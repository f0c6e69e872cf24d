import t, { type Test } from 'tap'
import { listeningApp, signUp } from '../support/app.js'
import { jsonClient } from '../support/browser-session.js'
import { until } from '../support/until.js'

const password = 'correct horse battery'
const mobile = '01712345678'
const username = 'fatematzuhora'

type Tokens = { access_token: string; refresh_token: string }
type Shown = { data: { uuid: string; mobile: string; username: string; status: boolean } }

async function users(t: Test) {
  const lines: { to?: string; code?: string }[] = []
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as object) }
  const env = { LOG_LEVEL: 'info', NODE_ENV: 'development' }
  const { app, origin, sql } = await listeningApp(t, { logTo, env })
  const call = jsonClient(origin)

  async function codeFor(to: string): Promise<string> {
    const find = () => lines.find((line) => line.to === to && line.code !== undefined)
    await until(() => find() !== undefined, `a code for ${to}`)
    return find()?.code ?? ''
  }

  return { app, sql, call, codeFor }
}

const said = (status: number, message: string) => ({ status, body: { message } })

for (const slash of ['', '/']) {
  t.test(`the life of an account, with "${slash}" behind every path`, async (t) => {
    const { call, codeFor } = await users(t)
    const made = await call('POST', `/user${slash}`, { username, mobile, password })
    const { uuid } = (made.body as Shown).data
    const data = { uuid, mobile, username, status: false }
    const message = 'Account created successfully!'
    t.strictSame(made, { status: 201, body: { data, message, status: 201 } })

    const early = await call('POST', `/user/login${slash}`, { username, password })
    t.strictSame(early, said(400, 'The account is not activated yet'))
    const proof = { mobile, code: await codeFor(mobile) }
    const shown = { data: { ...data, status: true }, message: 'Success!', status: 200 }
    const activated = await call('POST', `/user/activate-account${slash}`, proof)
    t.strictSame(activated, { status: 200, body: shown })

    const first = await call('POST', `/user/login${slash}`, { username, password })
    t.equal(first.status, 200)
    const { access_token, refresh_token } = first.body as Tokens
    t.strictSame(Object.keys(first.body as Tokens).sort(), ['access_token', 'refresh_token'])
    const self = await call('GET', `/user/${uuid}${slash}`, undefined, access_token)
    t.strictSame(self, { status: 200, body: shown })

    const next = await call('GET', `/user/refresh-token${slash}`, undefined, refresh_token)
    t.equal(next.status, 200)
    const fresh = next.body as Tokens
    t.strictSame(Object.keys(fresh).sort(), ['access_token', 'refresh_token'])
    t.not(fresh.refresh_token, refresh_token)

    const edited = await call('PATCH', `/user/${uuid}${slash}`, { gender: 'Female' }, access_token)
    const changed = { ...shown, data: { ...shown.data, gender: 'Female' } }
    t.strictSame(edited, { status: 200, body: changed })

    const passwords = { old_password: password, new_password: 'a better horse battery' }
    const path = `/user/change-password/${uuid}${slash}`
    t.strictSame(await call('POST', path, passwords, fresh.access_token), said(200, 'Success!'))

    const out = await call('GET', `/user/logout${slash}`, undefined, fresh.access_token)
    t.strictSame(out, said(200, `User ${username} successfully logged out.`))
    const dead = await call('GET', `/user/${uuid}${slash}`, undefined, fresh.access_token)
    t.strictSame(dead, said(401, 'Not logged in'))
    const spent = await call('GET', `/user/refresh-token${slash}`, undefined, fresh.refresh_token)
    t.strictSame(spent, said(401, 'Not logged in'))

    const again = { username, password: passwords.new_password }
    const { access_token: last } = (await call('POST', `/user/login${slash}`, again)).body as Tokens
    const gone = await call('DELETE', `/user/${uuid}${slash}`, undefined, last)
    t.strictSame(gone, { status: 200, body: { message: 'User deleted.', status: 200 } })
    const after = await call('GET', `/user/${uuid}${slash}`, undefined, last)
    t.strictSame(after, said(401, 'Not logged in'))
  })
}

t.test('only the code that was sent activates', async (t) => {
  const { call, codeFor } = await users(t)
  await call('POST', '/user', { username, mobile, password })
  const code = await codeFor(mobile)
  const activate = (body: object) => call('POST', '/user/activate-account/', body)
  t.match(await activate({ mobile }), { status: 400, body: { message: /code is required/ } })
  const wrong = `${(Number(code[0]) + 1) % 10}${code.slice(1)}`
  const refused = said(400, 'The code or link is wrong, used or expired')
  t.strictSame(await activate({ mobile, code: wrong }), refused)
  t.strictSame(await activate({ mobile: '01799999999', code }), refused)
  t.equal((await call('POST', '/user/login', { username, password })).status, 400)
  t.equal((await activate({ mobile, code })).status, 200)
  t.strictSame(await activate({ mobile, code }), refused, 'once')
})

t.test('that an account waits for its code only its password tells', async (t) => {
  const { call } = await users(t)
  await call('POST', '/user', { username, mobile, password })
  const login = (body: object) => call('POST', '/user/login', body)
  const wrong = await login({ username, password: 'a wrong horse battery' })
  t.strictSame(wrong, said(401, 'Invalid credentials'))
  t.strictSame(await login({ username: 'nobody', password }), wrong)
  const right = await login({ username, password })
  t.strictSame(right, said(400, 'The account is not activated yet'))
})

t.test('a username or mobile number that somebody has is refused', async (t) => {
  const { call, sql } = await users(t)
  await call('POST', '/user', { username, mobile, password })
  const name = await call('POST', '/user', { username, mobile: '01787654321', password })
  t.match(name, { status: 400, body: { message: /^This username is already used/ } })
  const number = await call('POST', '/user', { username: 'other', mobile, password })
  t.match(number, { status: 400, body: { message: /^This mobile number is already used/ } })
  for (const { body } of [name, number]) t.strictSame(Object.keys(body as object), ['message'])
  t.strictSame(await sql('select username from users'), [{ username }])
})

t.test('what is empty, missing or no text is answered with a message that names it', async (t) => {
  const { app, call } = await users(t)
  const { user, access_token } = await signUp(app, { username, mobile, password })
  const table: [string, Record<string, string>][] = [
    ['/user', { username: 'new', mobile: '01700000000', password }],
    ['/user/login', { username, password }],
    ['/user/activate-account/', { mobile, code: '12345678' }],
    [`/user/change-password/${user.id}`, { old_password: password, new_password: `${password}!` }],
  ]
  for (const [path, whole] of table) {
    for (const name of Object.keys(whole)) {
      for (const value of ['', undefined, 1, null, [name], { $ne: '' }]) {
        const { status, body } = await call('POST', path, { ...whole, [name]: value }, access_token)
        const what = `${path} ${name}: ${JSON.stringify(value)}`
        t.equal(status, 400, what)
        t.match(body, { message: new RegExp(`^The request is not valid: ${name} `) }, what)
        t.strictSame(Object.keys(body as object), ['message'], what)
      }
    }
  }
  const common = { username: 'new', mobile: '01700000000', password: 'password' }
  const message = 'The password is not acceptable: password is too common: choose another'
  t.strictSame(await call('POST', '/user', common), said(400, message))
})
