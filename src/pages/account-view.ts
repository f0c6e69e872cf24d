import type { AuditEntry, AuditEvent } from '../features/audit/schemas.js'
import type { Factors } from '../features/factors/schemas.js'
import type { Identity } from '../features/identities/schemas.js'
import type { Passkey } from '../features/passkeys/schemas.js'
import type { Session } from '../features/sessions/schemas.js'
import type { User } from '../features/users/schemas.js'
import { nameOfBrowser } from '../http/browser-name.js'
import { toMinute } from '../http/times.js'
import type { ProviderButton } from './providers.js'
import { compileView, type Markup } from './views.js'

type Labelled = [label: string, text: string]

/** The label tells sessions of the same browser apart. */
type ShownSession = {
  id: string
  browser: string
  label: string
  isCurrent: boolean
  texts: Labelled[]
}

const view = compileView<{
  picture: string | undefined
  profile: Labelled[]
  ways: Labelled[]
  hasProviders: boolean
  sessions: ShownSession[]
  /** How many sessions are not on the page. */
  notShown: number
  events: { at: string; text: string }[]
}>('account')

type Account = {
  user: User
  picture: string | undefined
  factors: Factors
  identities: Identity[]
  passkeys: Passkey[]
  providers: ProviderButton[]
  sessions: Session[]
  events: AuditEntry[]
}

/** The most sessions and events that the page shows. */
export const maxShown = 20

/** Everything about an account on one page. */
export const accountView = (account: Account): Markup =>
  view({
    picture: account.picture,
    profile: profileOf(account.user),
    ways: waysOf(account),
    hasProviders: account.providers.length > 0,
    sessions: account.sessions.slice(0, maxShown).map(toShownSession),
    notShown: account.sessions.length - maxShown,
    events: account.events.flatMap((event) => toShownEvent(event, account.user.id)),
  })

function profileOf({ name, username, email, mobile, roles }: User): Labelled[] {
  const texts: [string, string | null][] = [
    ['Name', name],
    ['Username', username],
    ['E-mail address', email],
    ['Mobile number', mobile],
    ['Roles', roles.join(', ') || 'none'],
  ]
  return texts.flatMap(([label, text]): Labelled[] => (text === null ? [] : [[label, text]]))
}

function waysOf({ factors, identities, passkeys, providers }: Account): Labelled[] {
  const labelOf = (name: string) => providers.find((one) => one.name === name)?.label ?? name
  const connected = identities.map(({ provider }) => labelOf(provider)).join(', ')
  const codes = String(factors.recovery_codes)
  return [
    ['Second factor', factors.totp ? `authenticator app, ${codes} recovery codes left` : 'none'],
    ['Passkeys', passkeys.map(({ name }) => name).join(', ') || 'none'],
    ['Trusted devices', String(factors.trusted_devices.length)],
    ...(providers.length > 0 ? [['Connected logins', connected || 'none'] as Labelled] : []),
  ]
}

function toShownSession({ id, user_agent, address, current, ...times }: Session): ShownSession {
  const browser = nameOfBrowser(user_agent)
  const since = toMinute(times.created_at)
  const texts: Labelled[] = [
    ['Since', since],
    ['Last used', toMinute(times.last_used_at)],
    ['Network address', address],
  ]
  const label = current ? 'this browser' : `${browser}, since ${since}`
  return { id, browser, label, isCurrent: current, texts }
}

/** The events that a user understands. Another event is not shown. */
const sentences: Partial<Record<AuditEvent, string>> = {
  'user.registered': 'Account made',
  'user.created': 'Account made by an administrator',
  'user.activated': 'Account activated',
  'user.updated': 'Profile changed',
  'user.address_changed': 'Address changed',
  'identity.linked': 'Login of another service connected',
  'identity.unlinked': 'Login of another service disconnected',
  'login.succeeded': 'Login',
  'login.failed': 'Login refused',
  'login.disowned': 'Login reported by the link "This was not me"',
  'factor.added': 'Second factor added',
  'factor.removed': 'Second factor removed',
  'factor.codes_renewed': 'Recovery codes replaced',
  'factor.refused': 'Code of the second factor refused',
  'passkey.added': 'Passkey added',
  'passkey.renamed': 'Passkey renamed',
  'passkey.removed': 'Passkey removed',
  'passkey.refused': 'Passkey refused',
  'device.trusted': 'Device trusted',
  'device.forgotten': 'Device no longer trusted',
  'device_login.approved': 'Login of a device approved',
  'device_login.denied': 'Login of a device denied',
  'reauthentication.failed': 'Wrong password for a change',
  'session.ended': 'Logged out',
  'session.refresh_reuse': 'Session ended: its token was used twice',
  'password.changed': 'Password changed',
  'password.reset': 'Password reset by a message',
  'password.reset_forced': 'Password reset required',
  'role.granted': 'Role granted',
  'role.revoked': 'Role removed',
  'api_key.created': 'API key made',
  'api_key.revoked': 'API key revoked',
}

/** An administrator's browser and address are not shown. */
function toShownEvent({ at, event, actor_id, user_agent, address }: AuditEntry, userId: string) {
  const sentence = sentences[event]
  if (sentence === undefined) return []
  const isOwn = actor_id === null || actor_id === userId
  const from =
    isOwn && user_agent !== null ? `: ${nameOfBrowser(user_agent)}, ${address ?? ''}` : ''
  return [{ at: toMinute(at), text: sentence + from }]
}
