import type { Test } from 'tap'
import { bearer, listeningApp, signUp } from './app.js'

export type Headers = Record<string, string>

/** Somebody with a session, and what a proxy asks about them. */
export async function signedIn(t: Test, env: Headers = {}) {
  const service = await listeningApp(t, { env })
  const { user, access_token, refresh_token } = await signUp(service.app)
  const ask = (headers: Headers = {}, url = '/forward-auth', method = 'GET') =>
    service.app.inject({ method: method as 'GET', url, headers })
  return { ...service, ask, user, access_token, refresh_token, token: bearer(access_token) }
}
