import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { bearer, testApp, type TestApp } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { temporaryFolder } from '../support/folder.js'
import { oldAppEnv, oldSecrets } from '../support/old-app.js'

// Debian's python3-flask-sqlalchemy, python3-flask-bcrypt, python3-pymysql, python3-python-flask-jwt-extended and
// mariadb-server.
const python = '/usr/bin/python3'
const fileOf = (name: string) =>
  fileURLToPath(new URL(`../fixtures/flask/${name}`, import.meta.url))

const hashes = async ({ sql }: TestApp) =>
  (await sql<{ password_hash: string }>('select password_hash from users order by username')).map(
    ({ password_hash }) => password_hash.split('$')[1],
  )

t.test('users of a Flask app in SQLite log in by the old path', async (t) => {
  const test = await testApp(t)
  const file = join(await temporaryFolder(t), 'app.db')
  execFileSync(python, [fileOf('users_v1.py'), file, 'ada', 'bob'])
  const { code, out, errors } = await gatehouse(test.url, ['import', file])
  t.equal(code, 0, errors)
  t.match(out, /password_hash +from encrypted_password[^]*2 users imported/)
  t.strictSame(await hashes(test), ['bcrypt', 'bcrypt'])
  for (const username of ['ada', 'bob']) {
    const payload = { username, password: `${username} horse battery` }
    const reply = await test.app.inject({ method: 'POST', url: '/api/v1/users/login', payload })
    t.match(reply.json(), { token: String, access_token: String, refresh_token: String })
  }
  t.strictSame(await hashes(test), ['argon2id', 'argon2id'])
})

/** A MariaDB on a free port; it ends with the test. */
async function mariadb(t: Test): Promise<string> {
  const folder = await temporaryFolder(t)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  const common = ['--no-defaults', `--datadir=${folder}/data`]
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  const install = [...common, ...user, '--auth-root-authentication-method=normal']
  execFileSync('mariadb-install-db', install, { stdio: 'ignore' })
  const files = [`--socket=${folder}/socket`, `--pid-file=${folder}/pid`]
  const server = spawn(
    '/usr/sbin/mariadbd',
    [...common, ...user, ...files, `--port=${port}`, '--bind-address=127.0.0.1'],
    { stdio: 'ignore' },
  )
  t.teardown(async () => {
    server.kill()
    await once(server, 'exit')
  })
  const statements = `create database shop; create user flask@'127.0.0.1' identified by 'flask';
    grant all on shop.* to flask@'127.0.0.1'`
  const client = ['--no-defaults', `--socket=${folder}/socket`, '-u', 'root', '-e', statements]
  for (let tries = 0; spawnSync('mariadb', client).status !== 0; tries += 1) {
    if (tries > 100) throw new Error('MariaDB does not start')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return `mysql://flask:flask@127.0.0.1:${port}/shop`
}

/** What the old app gave its users: each line of its output. */
const given = (name: string, args: string[]) =>
  execFileSync(python, [fileOf(name), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>)

t.test(
  'users of a Flask app stay logged in by its session cookie, on the API and on pages',
  async (t) => {
    const test = await testApp(t, {
      env: {
        ...oldAppEnv,
        OLD_APP_JWT_USER: 'user_id=id',
        OLD_APP_JWT_TYPE: 'none',
      },
    })
    const file = join(await temporaryFolder(t), 'app.db')
    const people = ['ada@example.org', 'bob@example.org']
    const [ada, bob] = given('notes.py', [file, oldSecrets.cookie, oldSecrets.jwt, ...people])
    const { code, errors } = await gatehouse(test.url, ['import', file])
    t.equal(code, 0, errors)
    const home = (cookie = '', accept = 'application/json') =>
      test.app.inject({ url: '/', headers: { cookie: `session=${cookie}`, accept } })
    t.match((await home(ada?.cookie)).json(), { user: { name: 'ada', email: 'ada@example.org' } })
    t.equal((await home(ada?.cookie)).statusCode, 401, 'once')
    t.match((await home(bob?.page_cookie, 'text/html')).body, /Hello, bob!/)
    const refresh = (token = '') =>
      test.app.inject({ method: 'POST', url: '/api/refresh', headers: bearer(token) })
    t.match((await refresh(bob?.token)).json(), { access_token: String, refresh_token: String })
    t.equal((await refresh(bob?.token)).statusCode, 401)
    const payload = { email: 'bob@example.org', password: 'bob horse battery' }
    const login = await test.app.inject({ method: 'POST', url: '/api/login', payload })
    t.equal(login.statusCode, 200, 'the password works too')
  },
)

t.test('users of a Flask app in MySQL log in by the old path, with salted MD5', async (t) => {
  const test = await testApp(t, { env: oldAppEnv })
  const url = await mariadb(t)
  const [ada, bob] = given('rest_user.py', [
    url,
    'ada=+4915112345678',
    'bob=01700000000',
    'new=01800000000',
  ])
  const key = join(await temporaryFolder(t), 'salt-key')
  await writeFile(key, 'TEST_SALT_KEY\n')
  const options = ['--hash-format', 'md5(password+key)', '--salt-key-file', key]
  const args = ['import', url, '--map', 'id=uuid', ...options]
  const { code, out, errors } = await gatehouse(test.url, args)
  t.equal(code, 0, errors)
  t.match(out, /activated +from status[^]*3 users imported/)
  t.strictSame(await hashes(test), ['wrapped', 'wrapped', 'wrapped'])
  const refresh = (token = '') =>
    test.app.inject({ url: '/user/refresh-token/', headers: bearer(token) })
  t.equal((await refresh(ada?.access_token)).statusCode, 401, 'an access token refreshes nothing')
  t.match((await refresh(ada?.refresh_token)).json(), {
    access_token: String,
    refresh_token: String,
  })
  t.equal((await refresh(ada?.refresh_token)).statusCode, 401)
  t.match((await refresh(bob?.refresh_token)).json(), { access_token: String })
  const login = (username: string) =>
    test.app.inject({
      method: 'POST',
      url: '/user/login',
      payload: { username, password: `${username} horse battery` },
    })
  t.match((await login('ada')).json(), { access_token: String, refresh_token: String })
  t.match((await login('bob')).json(), { access_token: String })
  t.equal((await login('new')).statusCode, 400, 'who is not activated stays so')
  t.strictSame(await hashes(test), ['argon2id', 'argon2id', 'wrapped'])
  t.match((await gatehouse(test.url, args)).out, /3 users already exist/)
})
