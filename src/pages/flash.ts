import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionCookies } from '../features/sessions/session-cookies.js'

const texts = {
  login_required: 'Log in first, please.',
  logged_out: 'You have logged out.',
  logged_in: 'Welcome back.',
  registered: 'Your account is ready. Log in with it.',
  look_for_message: 'Look for a message: it activates your account.',
  login_cancelled: 'You were not logged in.',
  account_exists:
    'You have an account with this address. Log in to it, then connect the other login.',
  connected: 'Connected: you can log in that way from now on.',
  disconnected: 'Disconnected.',
  picture_set: 'Your picture was set.',
} as const
export type Flash = keyof typeof texts

/** The cookie names one of our texts, so nobody can put words in our mouth. */
export function setFlash(cookies: SessionCookies, reply: FastifyReply, name: Flash): void {
  cookies.write(reply, 'flash', name, 60)
}

/** The message that the page before left, once. */
export function takeFlash(
  cookies: SessionCookies,
  request: FastifyRequest,
  reply: FastifyReply,
): string | undefined {
  const name = cookies.take(request, reply, 'flash')
  return name !== undefined && Object.hasOwn(texts, name) ? texts[name as Flash] : undefined
}
