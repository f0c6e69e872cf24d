import pg from 'pg'
import t, { type Test } from 'tap'
import { ada, bearer, signUp, testApp, type TestApp } from '../../support/app.js'
import { enrolled, poster } from '../../support/factors.js'
import { until } from '../../support/until.js'

/** Logs in while another transaction holds the user's row and makes a change. */
async function logInDuring(t: Test, { app, url, sql }: TestApp, change: string) {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('begin; select from users for update')
  await holder.query(change)
  const login = poster(app)('/api/login', ada)
  const isWaiting = async () =>
    (
      await sql(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
    ).length > 0
  await until(isWaiting, 'the login to wait for the lock')
  await holder.query('commit')
  return login
}

const changes = {
  'becomes an administrator': [
    `insert into user_roles select id, 'admin' from users; update users set epoch = epoch + 1`,
    { methods: ['enrol_totp'] },
  ],
  'adds a factor': [
    `insert into totp_factors (user_id, secret, confirmed_at) select id, '\\x00', now() from users`,
    { methods: ['totp', 'recovery_code'] },
  ],
} as const

for (const [what, [change, body]] of Object.entries(changes)) {
  t.test(`a login needs the factor if the user ${what} meanwhile`, async (t) => {
    const service = await testApp(t, { env: { MFA: 'required:admin' } })
    await signUp(service.app, ada)
    await service.sql('delete from sessions')
    t.match(await logInDuring(t, service, change), { status: 403, body })
    t.equal((await service.sql('select from sessions')).length, 0)
  })
}

t.test(
  'MFA=required:admin: the grant itself ends what a session without a factor can do',
  async (t) => {
    const service = await testApp(t, { env: { MFA: 'required:admin' } })
    const { app, sql } = service
    const post = poster(app)
    const root = await enrolled(service, { email: 'root@example.org', password: ada.password })
    await sql(`insert into user_roles values ($1, 'admin')`, [root.id])
    const { challenge } = (await root.begin()).body
    const admin = (await post('/api/login/verify', { challenge, code: await root.code() })).body
    const { access_token, refresh_token, user } = await signUp(app, ada)
    const granted = await post(
      `/api/users/${user.id}/roles/admin`,
      undefined,
      bearer(String(admin.access_token)),
    )
    t.equal(granted.status, 200)
    const ask = async (headers: Record<string, string>) =>
      (await app.inject({ url: '/api/users', headers })).statusCode
    t.equal(await ask(bearer(String(admin.access_token))), 200, 'with a factor')
    t.equal(await ask(bearer(access_token)), 401)
    t.equal(await ask({ cookie: `session=${access_token}; refresh=${refresh_token}` }), 401)
    const page = await app.inject({
      url: '/logout',
      headers: { cookie: `session=${access_token}; refresh=${refresh_token}`, accept: 'text/html' },
    })
    t.notOk(
      page.cookies.some(({ name, value }) => name === 'session' && value),
      'no page renews it',
    )
    t.equal((await post('/api/refresh', { refresh_token })).status, 401)
  },
)
