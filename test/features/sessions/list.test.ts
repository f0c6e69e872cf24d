import t, { type Test } from 'tap'
import { ada, logIn, signUp, testApp, type TestApp } from '../../support/app.js'
import { clientOf, createClient, refreshed, type Client } from '../../support/http/client.js'

type Session = {
  id: string
  user_agent: string | null
  address: string
  current: boolean
  created_at: string
  last_used_at: string
  expires_at: string
}

/** Logs in with this user agent and address. */
async function logInFrom({ app }: TestApp, agent: string | undefined, address = '127.0.0.1') {
  const headers = agent === undefined ? { 'user-agent': '' } : { 'user-agent': agent }
  const answer = await app.inject({
    method: 'POST',
    url: '/api/login',
    payload: ada,
    headers,
    remoteAddress: address,
  })
  return clientOf(app, ada, answer.json())
}

async function threeDevices(t: Test) {
  const service = await testApp(t)
  const phone = clientOf(service.app, ada, await signUp(service.app))
  return {
    ...service,
    phone,
    tablet: await logInFrom(service, 'Tablet/2.0', '203.0.113.7'),
    laptop: await logInFrom(service, 'L'.repeat(300), '2001:db8::1'),
  }
}

const listOf = async ({ send }: Client) =>
  (await send('GET', '/api/sessions')).body.sessions as Session[]

const isAlive = async ({ send }: Client) => (await send('GET', '/api/user')).status === 200

const currentOf = async (client: Client) =>
  (await listOf(client)).find(({ current }) => current)?.id ?? ''

t.test('the list has the sessions of the user and marks the current one', async (t) => {
  const { app, phone, tablet, laptop } = await threeDevices(t)
  await createClient({ app })
  const sessions = await listOf(tablet)
  t.strictSame(
    sessions.map(({ user_agent, address, current }) => [user_agent, address, current]),
    [
      ['L'.repeat(255), '2001:db8::1', false],
      ['Tablet/2.0', '203.0.113.7', true],
      ['lightMyRequest', '127.0.0.1', false],
    ],
    'only sessions of this user, the last used first',
  )
  for (const { created_at, last_used_at, expires_at } of sessions) {
    t.equal(last_used_at, created_at)
    t.equal(Date.parse(expires_at) - Date.parse(created_at), 14 * 86_400_000)
  }
  t.notMatch(JSON.stringify(sessions), /generation|rotated|user_id/)
  const ids = [await currentOf(phone), await currentOf(tablet), await currentOf(laptop)]
  t.equal(new Set(ids).size, 3)
})

t.test('a refresh updates last_used_at, and an expired session is not listed', async (t) => {
  const { app, sql, phone, tablet } = await threeDevices(t)
  const id = await currentOf(phone)
  const used = clientOf(app, ada, await refreshed({ app }, phone))
  const [first] = await listOf(used)
  t.match(first, { id, current: true })
  t.ok(first && first.last_used_at > first.created_at)
  await sql(`update sessions set expires_at = now() - interval '1 second' where id = $1`, [id])
  t.notOk((await listOf(tablet)).some((session) => session.id === id))
})

t.test('deleting a session ends only that session, with both its tokens', async (t) => {
  const { app, phone, tablet, laptop } = await threeDevices(t)
  const id = await currentOf(tablet)
  t.match((await phone.send('DELETE', `/api/sessions/${id}`)).body, { ended: 1 })
  t.notOk(await isAlive(tablet))
  await t.rejects(refreshed({ app }, tablet), /invalid_token/)
  t.ok((await isAlive(phone)) && (await isAlive(laptop)))
  const again = await phone.send('DELETE', `/api/sessions/${id}`)
  t.match(again, { status: 404, code: 'not_found' }, 'a second time')
})

t.test('a user can delete the current session', async (t) => {
  const { phone, tablet } = await threeDevices(t)
  t.equal((await phone.send('DELETE', `/api/sessions/${await currentOf(phone)}`)).status, 200)
  t.notOk(await isAlive(phone))
  t.ok(await isAlive(tablet))
})

t.test('keep=current ends all sessions but the current one', async (t) => {
  const { phone, tablet, laptop } = await threeDevices(t)
  const { body } = await tablet.send('DELETE', '/api/sessions?keep=current')
  t.match(body, { ended: 2 })
  t.strictSame(
    [await isAlive(phone), await isAlive(tablet), await isAlive(laptop)],
    [false, true, false],
  )
  t.match((await tablet.send('DELETE', '/api/sessions?keep=current')).body, { ended: 0 })
})

t.test('a misspelled keep=current is refused', async (t) => {
  const { phone, tablet } = await threeDevices(t)
  for (const query of [
    'keep=',
    'keep=all',
    'keep=Current',
    'keep=current&keep=current',
    'keeep=current',
  ]) {
    const reply = await phone.send('DELETE', `/api/sessions?${query}`)
    t.match(reply, { status: 400, code: 'validation_failed' }, query)
  }
  t.ok((await isAlive(phone)) && (await isAlive(tablet)), 'no session has ended')
})

t.test('DELETE /api/sessions ends every session of the user', async (t) => {
  const { app, phone, tablet, laptop } = await threeDevices(t)
  const stranger = await createClient({ app })
  t.match((await laptop.send('DELETE', '/api/sessions')).body, { ended: 3 })
  for (const client of [phone, tablet, laptop]) t.notOk(await isAlive(client))
  t.ok(await isAlive(stranger), 'sessions of other users stay')
  t.equal((await listOf(clientOf(app, ada, await logIn(app)))).length, 1)
})

t.test('a session of another user cannot be deleted', async (t) => {
  const { app, phone } = await threeDevices(t)
  const stranger = await createClient({ app })
  const reply = await stranger.send('DELETE', `/api/sessions/${await currentOf(phone)}`)
  const none = await stranger.send('DELETE', '/api/sessions/01890a5d-ac96-774b-bcce-b302099a8057')
  t.match(reply, { status: 404, code: 'not_found' })
  t.strictSame(reply, none, 'the answer is that for an unknown session')
  t.ok(await isAlive(phone))
})
