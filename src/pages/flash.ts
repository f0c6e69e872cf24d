import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionCookies } from '../features/sessions/session-cookies.js'

const texts = {
  login_required: 'Log in first, please.',
  logged_out: 'You have logged out.',
  logged_in: 'You are logged in.',
  welcome_back: 'Welcome back.',
  registered: 'Your account is ready, and you are logged in.',
  registered_log_in: 'Your account is ready. Log in with it.',
  look_for_message: 'We sent you a message. Use it to activate your account.',
  log_in_again: 'Log in again first: your login is older than five minutes, or without the code.',
  factor_removed: 'The second factor was removed.',
  device_forgotten: 'The device is no longer trusted.',
  passkey_added: 'The passkey was added.',
  passkey_renamed: 'The passkey was renamed.',
  passkey_removed: 'The passkey was removed. Remove it from your device too.',
  login_expired: 'The login took too long. Start again.',
  login_cancelled: 'You were not logged in.',
  account_exists:
    'You have an account with this address. Log in to it, then connect the other login.',
  registration_closed: 'There is no account for this login, and registration is closed.',
  invitation_required: 'There is no account for this login. Registration needs an invitation.',
  invalid_invitation:
    'The invitation is for another address, or it was used or has expired. Ask for another.',
  domain_not_allowed: 'E-mail addresses of this domain are not accepted.',
  connected: 'Connected: you can log in that way from now on.',
  disconnected: 'Disconnected.',
  key_revoked: 'The key was revoked.',
  profile_changed: 'Your profile was changed.',
  address_pending: 'Changed. Confirm the new address by the message that we sent to it.',
  password_changed: 'Your password was changed, and you are logged out everywhere else.',
  session_ended: 'Logged out there.',
  account_deleted: 'Your account was deleted.',
  picture_set: 'Your picture was set.',
  picture_removed: 'Your picture was removed.',
} as const
export type Flash = keyof typeof texts

/** The cookie stores only the name of a text, so a forged cookie cannot show another text. */
export function setFlash(cookies: SessionCookies, reply: FastifyReply, name: Flash): void {
  cookies.write(reply, 'flash', name, 60)
}

/** Returns the message that an earlier response set, and clears it. */
export function takeFlash(
  cookies: SessionCookies,
  request: FastifyRequest,
  reply: FastifyReply,
): string | undefined {
  const name = cookies.take(request, reply, 'flash')
  return name !== undefined && Object.hasOwn(texts, name) ? texts[name as Flash] : undefined
}
