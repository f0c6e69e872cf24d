import t, { type Test } from 'tap'
import { listeningApp, logIn, signUp } from '../support/app.js'
import { jsonClient } from '../support/browser-session.js'
import { until } from '../support/until.js'

const password = 'correct horse battery'
const zuhora = { username: 'fatematzuhora', mobile: '01712345678', password }
const eve = { username: 'eve', mobile: '01787654321', password }

/** The two of them; the first an administrator where that is asked for. Ids, and tokens of the first. */
async function people(t: Test, { admin = false } = {}) {
  const lines: { to?: string; code?: string }[] = []
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as object) }
  const { app, origin, sql } = await listeningApp(t, { logTo, env: { LOG_LEVEL: 'info' } })
  const { user } = await signUp(app, zuhora)
  const other = (await signUp(app, eve)).user.id
  if (admin) {
    await sql(`insert into user_roles (user_id, role) values ($1, 'admin')`, [user.id])
  }
  const call = jsonClient(origin)
  const { username } = zuhora
  const { body } = await call('POST', '/user/login', { username, password })
  const { access_token: token, refresh_token } = body as Record<string, string>
  const as = (method: string, path: string, fields?: object) => call(method, path, fields, token)
  return { app, origin, sql, call, as, lines, uuid: user.id, other, token, refresh_token }
}

const said = (status: number, message: string) => ({ status, body: { message } })
const shown = <Data>(data: Data) => ({
  status: 200,
  body: { data, message: 'Success!', status: 200 },
})
const summary = (uuid: string, { username, mobile }: typeof eve) => ({
  uuid,
  username,
  mobile,
  status: true,
})

t.test('an administrator sees everybody, in a list and one by one', async (t) => {
  const { as, uuid, other } = await people(t, { admin: true })
  const list = await as('GET', '/user')
  t.strictSame(list, shown([summary(other, eve), summary(uuid, zuhora)]))
  t.strictSame(await as('GET', `/user/${other}`), shown(summary(other, eve)))
  const nobody = '00000000-0000-7000-8000-000000000000'
  t.strictSame(await as('GET', `/user/${nobody}`), said(404, 'Not found'))
})

t.test("who is no administrator gets 403 for another's uuid, and for the list", async (t) => {
  const { as, call, other, sql } = await people(t)
  const before = await sql('select * from users order by id')
  const passwords = { old_password: password, new_password: 'a better horse battery' }
  const requests: [string, string, object?][] = [
    ['GET', '/user'],
    ['GET', `/user/${other}`],
    ['PATCH', `/user/${other}`, { username: 'mallory' }],
    ['POST', `/user/change-password/${other}`, passwords],
    ['DELETE', `/user/${other}`],
  ]
  for (const [method, path, body] of requests) {
    for (const slash of ['', '/']) {
      const what = `${method} ${path}${slash}`
      t.strictSame(await as(method, path + slash, body), said(403, 'Not allowed'), what)
      const visitor = await call(method, path + slash, body)
      t.strictSame(visitor, said(401, 'Not logged in'), what)
    }
  }
  t.strictSame(await sql('select * from users order by id'), before)
})

for (const [kind, address] of [
  ['email', 'zuhora@example.org'],
  ['mobile', '01700000000'],
] as const) {
  t.test(`one changes oneself at once, but the ${kind} only by the code sent there`, async (t) => {
    const { as, call, lines, uuid } = await people(t)
    const body = { username: 'zuhora', gender: 'Female', [kind]: address }
    const data = { uuid, username: 'zuhora', mobile: zuhora.mobile, gender: 'Female', status: true }
    t.strictSame(await as('PATCH', `/user/${uuid}`, body), shown(data))
    const find = () => lines.find(({ to, code }) => to === address && code !== undefined)
    await until(() => find() !== undefined, `a code for ${address}`)
    const proof = { [kind]: address, code: find()?.code }
    t.equal((await call('POST', '/api/user/confirm', proof)).status, 200)
    t.strictSame(await as('GET', `/user/${uuid}`), shown({ ...data, [kind]: address }))
  })
}

t.test('an administrator changes another at once', async (t) => {
  const { as, other } = await people(t, { admin: true })
  const body = {
    username: 'adam',
    email: 'adam@example.org',
    mobile: '01700000000',
    gender: 'Male',
  }
  const data = { uuid: other, ...body, status: true }
  t.strictSame(await as('PATCH', `/user/${other}`, body), shown(data))
  t.strictSame(await as('GET', `/user/${other}`), shown(data))
})

t.test('a change at fault is answered with a message, and changes nothing', async (t) => {
  const { as, uuid } = await people(t)
  const table: [object, RegExp][] = [
    [{ username: 'eve' }, /^This username is already used/],
    [{ username: 1 }, /^The request is not valid: username must be/],
    [{ gender: '' }, /^The request is not valid: gender must/],
    [{ email: 'no address' }, /^The request is not valid: email must be an e-mail address/],
    [{ roles: ['admin'] }, /^The request is not valid: roles is not a known field/],
  ]
  for (const [fields, message] of table) {
    const answer = await as('PATCH', `/user/${uuid}`, fields)
    t.match(answer, { status: 400, body: { message } }, JSON.stringify(fields))
    t.strictSame(Object.keys(answer.body as object), ['message'])
  }
  t.match(await as('GET', '/user/not-a-uuid'), { status: 400, body: { message: /: uuid / } })
  t.strictSame(await as('GET', `/user/${uuid}`), shown(summary(uuid, zuhora)))
})

t.test('a new password ends the other sessions; nobody sets it for another', async (t) => {
  const { app, as, call, uuid, other } = await people(t, { admin: true })
  const elsewhere = await logIn(app, zuhora)
  const path = `/user/change-password/${uuid}`
  const passwords = { old_password: password, new_password: 'a better horse battery' }
  const wrong = await as('POST', path, { ...passwords, old_password: 'a wrong horse battery' })
  t.strictSame(wrong, said(401, 'Invalid credentials'))
  const foreign = await as('POST', `/user/change-password/${other}`, passwords)
  t.strictSame(foreign, said(403, 'Not allowed'))
  const dead = said(401, 'Not logged in')
  const isDead = async () =>
    t.strictSame(await call('GET', `/user/${uuid}`, undefined, elsewhere.access_token), dead)
  t.equal((await call('GET', `/user/${uuid}`, undefined, elsewhere.access_token)).status, 200)

  t.strictSame(await as('POST', path, passwords), said(200, 'Success!'))
  await isDead()
  t.equal((await as('GET', `/user/${uuid}`)).status, 200, 'this one goes on')
  const login = (text: string) =>
    call('POST', '/user/login', { username: zuhora.username, password: text })
  t.strictSame(await login(password), said(401, 'Invalid credentials'))
  t.equal((await login(passwords.new_password)).status, 200)
})

t.test('with a user every token of theirs dies at once', async (t) => {
  const { app, as, call, uuid, refresh_token, sql } = await people(t)
  const elsewhere = await logIn(app, zuhora)
  const gone = await as('DELETE', `/user/${uuid}`)
  t.strictSame(gone, { status: 200, body: { message: 'User deleted.', status: 200 } })
  const dead = said(401, 'Not logged in')
  t.strictSame(await as('GET', `/user/${uuid}`), dead)
  t.strictSame(await call('GET', `/user/${uuid}`, undefined, elsewhere.access_token), dead)
  for (const token of [refresh_token, elsewhere.refresh_token]) {
    t.strictSame(await call('GET', '/user/refresh-token/', undefined, token), dead)
  }
  t.strictSame(await sql('select username from users'), [{ username: 'eve' }])
})

t.test('an administrator deletes another, but not the last administrator', async (t) => {
  const { app, as, call, uuid, other } = await people(t, { admin: true })
  const { access_token } = await logIn(app, eve)
  const gone = await as('DELETE', `/user/${other}`)
  t.strictSame(gone, { status: 200, body: { message: 'User deleted.', status: 200 } })
  const dead = await call('GET', `/user/${other}`, undefined, access_token)
  t.strictSame(dead, said(401, 'Not logged in'))
  const last = await as('DELETE', `/user/${uuid}`)
  t.strictSame(last, said(400, 'At least one enabled administrator must remain'))
  t.equal((await as('GET', `/user/${uuid}`)).status, 200)
})

t.test('no cookie logs out or refreshes by GET: that needs the header', async (t) => {
  const { as, origin, uuid, token, refresh_token } = await people(t)
  const headers = { cookie: `session=${token}; refresh=${refresh_token}` }
  for (const path of ['/user/logout', '/user/logout/', '/user/refresh-token/', `/user/${uuid}`]) {
    const answer = await fetch(origin + path, { headers })
    t.equal(answer.status, 401, path)
    t.strictSame(await answer.json(), { message: 'Not logged in' }, path)
    t.strictSame(answer.headers.getSetCookie(), [], path)
  }
  t.equal((await as('GET', `/user/${uuid}`)).status, 200, 'and the session lives')
})
