import type { Test } from 'tap'
import { errors, type ErrorCode } from '../../../src/errors.js'
import { bearer, type TestApp } from '../app.js'
import { createClient, type Client } from './client.js'
import { nameOf, type Route } from './route-table.js'

/** A status, or the code of the error. */
export type Outcome = number | ErrorCode

const password = 'correct horse battery'
const link = { token: 'A'.repeat(43) }

/** A body that a route takes, about the victim where that can be said at all. */
export const bodies: Record<string, (victim: Client) => object> = {
  'POST /api/register': ({ account }) => ({ ...account, password: 'another horse battery' }),
  'POST /api/activate': () => link,
  'POST /api/activate/resend': ({ account: { email } }) => ({ email }),
  'POST /api/login': ({ account }) => ({ ...account, password: 'another horse battery' }),
  'POST /api/refresh': ({ login }) => ({ refresh_token: login.access_token }),
  'POST /api/logout': () => ({ everywhere: true }),
  'POST /api/password/forgot': ({ account: { email } }) => ({ email }),
  'POST /api/password/reset': () => ({ ...link, new_password: password }),
  'POST /api/user/confirm': () => link,
  'PATCH /api/user': () => ({ name: 'Mallory' }),
  'DELETE /api/user': () => ({ password }),
  'POST /api/user/password': () => ({
    old_password: password,
    new_password: 'a new horse battery',
  }),
  'POST /api/users': ({ id }) => ({ email: `made-for-${id}@example.org` }),
  'PATCH /api/users/:id': () => ({ name: 'Mallory', email: null, username: 'mallory' }),
  'POST /api/roles': ({ id }) => ({ name: `of-${id}` }),
  'POST /activate': () => link,
  'POST /reset': () => ({ ...link, new_password: password }),
  'POST /confirm': () => link,
}

/** All that is stored about somebody. */
export const stateOf = ({ sql }: TestApp, { id }: Client) =>
  sql(
    `select to_jsonb(u) as account,
       array(select to_jsonb(s) from sessions s where user_id = u.id order by id) as sessions,
       array(select role from user_roles where user_id = u.id order by role) as roles
     from users u where id = $1`,
    [id],
  )

/** Somebody with a session, and a role that can be taken away. */
export async function createVictim(service: TestApp): Promise<Client> {
  const { sql } = service
  const victim = await createClient(service, 'victim')
  await sql(`insert into roles values ('editor') on conflict do nothing`)
  await sql(`insert into user_roles values ($1, 'editor')`, [victim.id])
  return victim
}

/** The path of a route for what is the victim's: the session of theirs, the account, a role. */
async function pathOf({ sql }: TestApp, { url, method }: Route, { id }: Client): Promise<string> {
  const [session] = await sql<{ id: string }>('select id from sessions where user_id = $1', [id])
  const isOfSession = url.startsWith('/api/sessions/')
  return url
    .replace(':id', (isOfSession ? session?.id : id) ?? '')
    .replace(':name', method === 'DELETE' ? 'editor' : 'admin')
}

/** A request of a route about the victim, with a good body unless another is given. */
export async function ask(
  service: TestApp,
  route: Route,
  victim: Client,
  who?: Client,
  body?: object,
) {
  const url = await pathOf(service, route, victim)
  const payload = body ?? bodies[nameOf(route)]?.(victim)
  return service.app.inject({
    method: route.method as 'GET',
    url,
    headers: who ? bearer(who.login.access_token) : {},
    ...(payload && { payload }),
  })
}

export type Answer = Awaited<ReturnType<typeof ask>>

export function isAnsweredBy(t: Test, answer: Answer, outcome: Outcome, name: string): void {
  const status = typeof outcome === 'number' ? outcome : errors[outcome][0]
  t.equal(answer.statusCode, status, `${name}: ${answer.body.slice(0, 200)}`)
  if (typeof outcome === 'string') t.equal(answer.json<{ code: string }>().code, outcome, name)
}
