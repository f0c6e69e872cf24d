import type { Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import { networkOf } from '../limits/network.js'

/** A browser and address of an earlier login. */
export type Seen = { user_agent: string | null; address: string | null }

/** These forget the devices of earlier logins, because a stranger's may be one. */
const ownEndings: AuditEvent[] = ['password.changed', 'password.reset', 'user.claimed']
const foreignEndings: AuditEvent[] = ['password.reset_forced', 'login.disowned']

const list = (events: AuditEvent[]) => events.map((event) => `'${event}'`).join(', ')

/**
 * A query for the browsers and addresses from which the user $2 has logged in with the present password, or has
 * chosen it. It reads the live sessions and the last 200 entries of the audit log. It finds a script that logs out after
 * each run, and strangers' wrong guesses do not make it slow.
 */
export const seenSql = `
  with recent as materialized (
    select id, event, user_agent, address from audit_log where user_id = $2 order by id desc limit 200
  ), seen as (
    select user_agent, address from recent
    where event in ('login.succeeded', ${list(ownEndings)}) and id >= coalesce((
      select id from recent where event in (${list([...ownEndings, ...foreignEndings])})
      order by id desc limit 1), '00000000-0000-0000-0000-000000000000')
    union
    select user_agent, address from sessions where user_id = $2 and login_id is null
  ) select coalesce(jsonb_agg(seen), '[]') from seen`

/** Whether one of them is the browser and network of this login. */
export const isSeen = (seen: Seen[], caller: Caller): boolean =>
  seen.some(
    ({ user_agent, address }) =>
      isSameBrowser(user_agent, caller.user_agent) &&
      networkOf(address ?? '') === networkOf(caller.address),
  )

/** An update of the browser changes only numbers. */
export const isSameBrowser = (known: string | null, present: string | null): boolean =>
  withoutNumbers(known) === withoutNumbers(present)

const withoutNumbers = (userAgent: string | null) => userAgent?.replace(/[0-9._]+/g, '') ?? ''
