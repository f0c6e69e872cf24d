import { pino } from 'pino'
import { createServices } from '../../src/services/services.js'
import type { Actor, Caller } from '../../src/http/caller.js'
import { ada, keysSecret, signUp, type TestApp } from './app.js'
import { claimsOf } from './oauth.js'

/** The device logins of another instance on the database of a service. */
export async function deviceLoginsOf({ db, config }: Pick<TestApp, 'db' | 'config'>) {
  const log = pino({ level: 'silent' })
  const services = await createServices(config, { db, listenUrl: '', keysSecret, log })
  if (!services.deviceLogins) throw new Error('DEVICE_LOGIN is off')
  return services.deviceLogins
}

export type DeviceLoginsOfTest = Awaited<ReturnType<typeof deviceLoginsOf>>

/** What a device sends from its network. */
export const deviceCaller = (address = '192.0.2.7'): Caller => ({
  ...{ user_id: null, session_id: null, address, user_agent: 'tv', request_id: null },
})

/** A user who has logged in a moment ago. */
export async function actorOn(
  { app }: Pick<TestApp, 'app'>,
  account = ada,
): Promise<Actor & { access_token: string }> {
  const { access_token } = await signUp(app, account)
  return { ...actorOf(access_token), access_token }
}

export function actorOf(access_token: string): Actor {
  const { sub, sid } = claimsOf(access_token)
  const ids = { user_id: String(sub), session_id: String(sid) }
  return { ...ids, address: '198.51.100.4', user_agent: 'a browser', request_id: null }
}

/** Lets the clock of the codes go on. */
export const passForCodes = ({ sql }: Pick<TestApp, 'sql'>, seconds: number) =>
  sql(
    `update device_codes set expires_at = expires_at - make_interval(secs => $1),
       polled_at = polled_at - make_interval(secs => $1)`,
    [seconds],
  )
