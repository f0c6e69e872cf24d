import type { FactorMode } from '../factors/policy.js'
import { createRefreshRule } from './refresh-rule.js'
import { createRotationSql } from './rotations.js'

type SessionRules = {
  /** How long a session lives without a refresh, in seconds. */
  idleTtl: number
  /** How long a spent refresh token still gets the present pair, in seconds. */
  grace: number
  /** MFA. A session of a user who needs a second factor, and has none, is not valid. */
  mode: FactorMode
}

export const authTime = 'coalesce(s.auth_time, s.created_at)'
/** Finds the second factor of a user. */
export const factorOf = (user: string) =>
  `select from totp_factors f where f.user_id = ${user} and f.secret is not null`

/** Whether a session with these `amr` is of a user who has the second factor that MFA requires. */
export function provenBy(mode: FactorMode, { user, amr }: { user: string; amr: string }): string {
  if (mode === 'optional') return 'true'
  // A passkey does not end the sessions without it, as a new authenticator app does.
  const hasPasskey = `exists (select from passkeys p where p.user_id = ${user})`
  const hasFactor = `(exists (${factorOf(user)})
    or coalesce(${amr} @> '{mfa}', false) and ${hasPasskey})`
  const isAdmin = `exists (select from user_roles where user_id = ${user} and role = 'admin')`
  return mode === 'required' ? hasFactor : `${hasFactor} or not ${isAdmin}`
}

export const enabled = 'u.activated_at is not null and u.disabled_at is null'

/** Makes the SQL that depends on the configuration. */
export function createSessionSql({ idleTtl, grace, mode }: SessionRules) {
  const idleEnd = `s.rotated_at + make_interval(secs => ${String(idleTtl)})`
  const proven =
    mode === 'optional' ? '' : ` and (${provenBy(mode, { user: 's.user_id', amr: 's.amr' })})`
  const alive = `s.expires_at > now() and ${idleEnd} > now()${proven}`
  const subjectColumns = `
    s.id as session_id, s.user_id, s.generation, s.rotated_at,
    least(s.expires_at, ${idleEnd}) as expires_at, ${authTime} as auth_time, s.amr,
    (select name from clients where id = s.client_id) as client_name,
    exists (select from clients where id = s.client_id and not is_public) as is_bound,
    s.host, u.username, case when u.email_verified_at is not null then u.email end as email, u.name, u.epoch,
    array(select role from user_roles where user_id = u.id order by role) as roles`
  const rule = createRefreshRule(grace)
  return {
    idleEnd,
    alive,
    /** Whether the login of the user $2 with the methods $8 is complete; $11 says whether a second factor was given. */
    complete: `($11 or not exists (${factorOf('$2')})) and (${provenBy(mode, { user: '$2', amr: '$8::text[]' })})`,
    subjectColumns,
    rotations: createRotationSql({ rule, alive, enabled, subjectColumns }),
  }
}

export type SessionSql = ReturnType<typeof createSessionSql>

/** How many devices are kept for each user. */
const mostDevices = 20

/** Notes the device $13 of a login. A new password forgets the others. `session` is the session that it opened. */
export const noteLoginSql = (session: string) => `
  insert into last_logins as l (user_id, at, devices, devices_version)
  select u.id, now(), array[$13]::bigint[], u.password_version
  from ${session} s join users u on u.id = s.user_id
  on conflict (user_id) do update set at = excluded.at, devices_version = excluded.devices_version,
    devices = case when l.devices_version = excluded.devices_version
      then (excluded.devices || array_remove(l.devices, $13))[1:${mostDevices}] else excluded.devices end`

/** Whether a login of the user \`u\` on the device $13 is news. It is not if no device of the user was ever noted. */
export const isNewsSql = `exists (
  select from last_logins l where l.user_id = u.id and l.devices_version is not null
    and not (l.devices_version = u.password_version and $13 = any (l.devices)))`
