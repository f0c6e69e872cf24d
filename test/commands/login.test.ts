import { readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createKey } from '../support/api-keys.js'
import { ada, bearer, listeningApp, logIn, signUp } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { enrolled } from '../support/factors.js'

/** A person with a terminal, before any login. */
async function personOf(t: Test) {
  const service = await listeningApp(t, { env: { DEVICE_LOGIN: 'off' } })
  const signedUp = await signUp(service.app)
  const folder = t.testdir()
  const file = join(folder, 'gatehouse', 'login.json')
  const run = (args: string[], input = '') =>
    gatehouse('', args, { XDG_CONFIG_HOME: folder }, input)
  const ask = (token: string) =>
    service.app.inject({ url: '/api/user', headers: bearer(token.trim()) })
  const age = async () => {
    const stored = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify({ ...stored, expires_at: Date.now() + 50_000 }))
  }
  return { ...service, ...signedUp, folder, file, run, ask, age }
}

t.test('a person logs in once, and scripts print fresh tokens', async (t) => {
  const { origin, file, folder, run, ask, age } = await personOf(t)
  t.match(await run(['token']), { code: 4, errors: /not logged in/ })
  t.match(await run(['logout']), { code: 4, errors: /not logged in/ })
  const wrong = await run(['login', origin, ada.email], 'another horse battery\n')
  t.match(wrong, { code: 4, errors: /Invalid credentials/ })
  const insecure = await run(['login', 'http://auth.example.org', ada.email], ada.password)
  t.match(insecure, { code: 1, errors: /must be https/ })
  t.match(await run(['login', origin]), { code: 1, errors: /Name the user/ })
  t.match(await run(['login', origin, ada.email]), { code: 1, errors: /No password was given/ })

  t.match(await run(['login', origin, ada.email], `${ada.password}\n`), { code: 0, errors: '' })
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.equal((await stat(join(folder, 'gatehouse'))).mode & 0o777, 0o700)
  const first = (await run(['token'])).out
  t.match(first, /^[\w.-]+\n$/)
  t.equal((await run(['token'])).out, first, 'the same while it lives')
  t.equal((await ask(first)).statusCode, 200)

  await age()
  const many = await Promise.all(Array.from({ length: 6 }, () => run(['token'])))
  t.strictSame(
    many.map(({ code, errors }) => ({ code, errors })),
    many.map(() => ({ code: 0, errors: '' })),
  )
  t.equal(new Set(many.map(({ out }) => out)).size, 1, 'one refresh for all')
  const renewed = many[0]?.out ?? ''
  t.not(renewed, first)

  t.match(await run(['logout']), { code: 0 })
  t.equal((await ask(renewed)).statusCode, 401, 'the session has ended')
  t.match(await run(['token']), { code: 4, errors: /not logged in/ })
})

t.test('a new login ends the one that it replaces', async (t) => {
  const { origin, run, ask } = await personOf(t)
  await run(['login', origin, ada.email], `${ada.password}\n`)
  const first = (await run(['token'])).out
  t.match(await run(['login', origin, ada.email], 'another horse battery\n'), { code: 4 })
  t.equal((await ask(first)).statusCode, 200, 'a refused one does not')
  t.match(await run(['login', origin, ada.email], `${ada.password}\n`), { code: 0, errors: '' })
  t.equal((await ask(first)).statusCode, 401)
  t.equal((await ask((await run(['token'])).out)).statusCode, 200)
})

t.test('six commands at the same time send one refresh', async (t) => {
  const { origin, run, age, sql } = await personOf(t)
  await run(['login', origin, ada.email], `${ada.password}\n`)
  await age()
  await Promise.all(Array.from({ length: 6 }, () => run(['token'])))
  const rows = await sql<{ generation: number }>(
    'select generation from sessions order by generation desc',
  )
  t.equal(rows[0]?.generation, 1)
})

t.test(
  'a command that died while it refreshed blocks the next ones for half a minute',
  async (t) => {
    const { origin, folder, run, age } = await personOf(t)
    await run(['login', origin, ada.email], `${ada.password}\n`)
    await age()
    const lock = join(folder, 'gatehouse', 'login.lock')
    await writeFile(lock, '')
    const old = Date.now() / 1_000 - 31
    await utimes(lock, old, old)
    t.match(await run(['token']), { code: 0 })
  },
)

t.test(
  'a login that was ended elsewhere, and an outage, have exit codes of their own',
  async (t) => {
    const { app, origin, file, run, age } = await personOf(t)
    await run(['login', origin, ada.email], `${ada.password}\n`)
    const { access_token } = await logIn(app)
    const headers = bearer(access_token)
    await app.inject({ method: 'DELETE', url: '/api/sessions', headers })
    await age()
    t.match(await run(['token']), { code: 4, errors: /login has ended/ })
    await writeFile(
      file,
      JSON.stringify({ url: 'http://127.0.0.1:1', access_token: '', expires_at: 0 }),
    )
    t.match(await run(['token']), { code: 5, errors: /does not answer/ })
    await writeFile(file, '{')
    t.match(await run(['token']), { code: 1, errors: /damaged/ })
  },
)

t.test('a second factor is asked for', async (t) => {
  const service = await personOf(t)
  const { origin, run, ask } = service
  const grace = { email: 'grace@example.org', password: 'correct horse battery' }
  const { code } = await enrolled(service, grace)
  const input = `${grace.password}\n${await code()}\n`
  t.match(await run(['login', origin, grace.email], input), { code: 0, errors: '' })
  t.equal((await ask((await run(['token'])).out)).statusCode, 200)
  const wrong = await run(['login', origin, grace.email], `${grace.password}\n000000\n`)
  t.match(wrong, { code: 4, errors: /refused/ })
})

t.test('an API key gives tokens for other services, and outlives the logout', async (t) => {
  const service = await personOf(t)
  const { origin, run, ask, age } = service
  const { key } = await createKey(service, service.access_token, { roles: ['user'] })
  t.match(await run(['login', origin, '--key'], 'gatehouse_wrong\n'), {
    code: 4,
    errors: /refused/,
  })
  t.match(await run(['login', origin, '--key'], `${key}\n`), { code: 0, errors: '' })
  const first = (await run(['token'])).out
  t.equal(first.split('.').length, 3, 'a JWT')
  t.equal((await ask(first)).statusCode, 200)
  await age()
  const second = (await run(['token'])).out
  t.not(second, first)
  t.match(await run(['logout']), { code: 0 })
  t.equal((await ask(key)).statusCode, 200)
})
