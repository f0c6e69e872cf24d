import { randomUUID } from 'node:crypto'
import { ada, bearer, logIn, signUp, type TestApp } from '../app.js'
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
  const dormant = await signUp(app, account('dormant'))
  await sql('update users set activated_at = null where id = $1', [dormant.user.id])
  const { access_token: ended } = await logIn(app)
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(ended) })
  const denied = { ...claims, jti: randomUUID() }
  await sql(`insert into token_denylist values ($1, now() + interval '1 hour')`, [denied.jti])
  const stale = await signUp(app, account('stale'))
  await sql('update users set epoch = epoch + 1 where id = $1', [stale.user.id])

  return [
    ['of a user who was deleted', deleted.access_token],
    ['of a user who was disabled', disabled.access_token],
    ['of a user who is not activated', dormant.access_token],
    ['of a session that was ended', ended],
    [
      'of that session, under a new jti',
      issue({ payload: { ...ofSession(ended), jti: randomUUID() } }),
    ],
    ['denied by its jti', issue({ payload: denied })],
    ['denied by its jti, in another session', issue({ payload: { ...denied, sid: randomUUID() } })],
    ['of nobody', issue({ payload: { ...claims, sub: randomUUID() } })],
    [
      'of the nil UUID',
      issue({ payload: { ...claims, sub: '00000000-0000-0000-0000-000000000000' } }),
    ],
    ['of the session as a user', issue({ payload: { ...claims, sub: claims.sid } })],
    ['of an epoch that is over', stale.access_token, 'token_stale'],
    ...[1, 2, 2_147_483_648, 1e20].map((epoch): Case => [
      `of epoch ${epoch}`,
      issue({ payload: { ...claims, epoch } }),
      'token_stale',
    ]),
  ]
}
