import { randomUUID } from 'node:crypto'
import { ada, bearer, isRefused, logIn, signUp, type TestApp } from '../app.js'
import { until } from '../until.js'
import { genuine } from './kit.js'
import type { Case, Kit } from './kit.js'

/** Genuine tokens that were good once, or whose user never was. */
export async function revoked({ app, sql }: TestApp, kit: Kit): Promise<Case[]> {
  const issue = genuine(kit)
  const { claims } = kit
  const ofSession = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as typeof claims
  const account = (name: string) => ({ ...ada, email: `${name}@example.org` })

  const deleted = await signUp(app, account('deleted'))
  await sql('delete from users where id = $1', [deleted.user.id])
  const disabled = await signUp(app, account('disabled'))
  await sql('update users set disabled_at = now() where id = $1', [disabled.user.id])
  const { access_token: ended } = await logIn(app)
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(ended) })
  const denied = { ...claims, jti: randomUUID() }
  await sql(`insert into token_denylist values ($1, now() + interval '1 hour')`, [denied.jti])
  const stale = await signUp(app, account('stale'))
  await sql('update users set epoch = epoch + 1 where id = $1', [stale.user.id])
  await until(() => isRefused(app, stale.access_token), 'the replica to hear of it')

  return [
    ['of a user who was deleted', deleted.access_token],
    ['of a user who was disabled', disabled.access_token, 'token_stale'],
    ['of a session that was ended', ended],
    [
      'of that session, under a new jti',
      issue({ payload: { ...ofSession(ended), jti: randomUUID() } }),
    ],
    ['denied by its jti', issue({ payload: denied })],
    ['denied by its jti, in another session', issue({ payload: { ...denied, sid: randomUUID() } })],
    ['of an epoch that is over', stale.access_token, 'token_stale'],
  ]
}
