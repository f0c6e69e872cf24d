import t from 'tap'
import { logIn, testApp } from '../../support/app.js'
import { createAdmin, createClient, refreshed } from '../../support/http/client.js'
import { commandsOn } from '../../support/program.js'

type Shown = { id: string; last_login_at: string | null }

t.test('an administrator sees when a user last logged in', async (t) => {
  const service = await testApp(t)
  const admin = await createAdmin(service)
  const show = async (id: string): Promise<Shown> =>
    (await admin.send('GET', `/api/users/${id}`)).body.user as Shown

  const { body } = await admin.send('POST', '/api/users', { email: 'invited@example.org' })
  const invited = body.user as Shown
  t.equal(invited.last_login_at, null, 'never, before the first login')

  const user = await createClient(service)
  const [session] = await service.sql<{ created_at: Date }>(
    'select created_at from sessions where user_id = $1',
    [user.id],
  )
  const first = await show(user.id)
  t.equal(first.last_login_at, session?.created_at.toISOString())

  await t.test('a refresh is no login', async (t) => {
    await refreshed(service, user)
    t.strictSame(await show(user.id), first)
  })

  await t.test('a wrong password is no login', async (t) => {
    const payload = { ...user.account, password: 'not the password' }
    await service.app.inject({ method: 'POST', url: '/api/login', payload })
    t.strictSame(await show(user.id), first)
  })

  await t.test('the time survives the end of every session', async (t) => {
    await admin.send('DELETE', `/api/users/${user.id}/sessions`)
    t.strictSame(await show(user.id), first)
  })

  await t.test('a later login takes its place, and changes no other field', async (t) => {
    const before = await show(user.id)
    await logIn(service.app, user.account)
    const { last_login_at, ...others } = await show(user.id)
    t.ok(String(last_login_at) > String(before.last_login_at))
    t.match(before, others)
  })

  await t.test('lists and the command line have it too', async (t) => {
    const found = (await admin.send('GET', '/api/users')).body.users as Shown[]
    const { last_login_at } = await show(user.id)
    t.equal(found.find(({ id }) => id === user.id)?.last_login_at, last_login_at)
    t.equal(found.find(({ id }) => id === invited.id)?.last_login_at, null)

    const run = commandsOn(service)
    const shown = (await run(['users', 'show', user.id])).out.split('\n')
    t.ok(shown.includes(`last_login_at\t${String(last_login_at)}`))
    t.match(JSON.parse((await run(['users', 'show', user.id, '--json'])).out), { last_login_at })
    const [head, ...lines] = (await run(['users', 'list'])).out.split('\n')
    t.match(head, /\tlast login$/)
    t.ok(lines.find((line) => line.startsWith(user.id))?.endsWith(`\t${String(last_login_at)}`))
    t.ok(lines.find((line) => line.startsWith(invited.id))?.endsWith('\t'))
  })

  await t.test('users do not see it of themselves', async (t) => {
    const again = await logIn(service.app, user.account)
    t.notOk('last_login_at' in again.user)
  })
})

t.test('ten logins of a user at once all succeed', async (t) => {
  const service = await testApp(t)
  const user = await createClient(service)
  const logins = Array.from({ length: 10 }, () => logIn(service.app, user.account))
  t.equal((await Promise.all(logins)).length, 10)
})
