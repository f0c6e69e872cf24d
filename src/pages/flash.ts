import type { FastifyReply, FastifyRequest } from 'fastify'
import { clearCookie, cookieOf, setCookie } from '../cookies.js'

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

const attributes = { path: '/', httpOnly: true, sameSite: 'lax' } as const

/** The cookie names one of our texts, so nobody can put words in our mouth. */
export function setFlash(reply: FastifyReply, name: Flash): void {
  setCookie(reply, 'flash', name, { ...attributes, maxAge: 60 })
}

/** The message that the page before left, once. */
export function takeFlash(request: FastifyRequest, reply: FastifyReply): string | undefined {
  const name = cookieOf(request, 'flash')
  if (name === undefined) return undefined
  clearCookie(reply, 'flash', attributes)
  return Object.hasOwn(texts, name) ? texts[name as Flash] : undefined
}
