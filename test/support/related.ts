import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createServices } from '../../src/services/services.js'
import { keysSecret, type TestApp } from './app.js'
import { addClient, claimsOf } from './oauth.js'

export type Related = { access_token: string; refresh_token: string }

let apps = 0

/** Opens a session of an app within the login of an access token, as the exchange of a code does. */
export async function openRelated(
  service: TestApp,
  access_token: string,
  { from_id = String(claimsOf(access_token).sid) } = {},
): Promise<Related> {
  const { db, config, sql } = service
  const name = `app-${String((apps += 1))}`
  await addClient(service, name)
  const [client] = await sql<{ id: string }>(
    'update clients set is_public = true where name = $1 returning id',
    [name],
  )
  const log = pino({ level: 'silent' })
  const { store, tokens } = await createServices(config, { db, listenUrl: '', keysSecret, log })
  const subject = await store.sessions.openRelated({
    ...{ id: randomUUID(), user_id: String(claimsOf(access_token).sub), from_id },
    ...{ client_id: client?.id ?? '', host: null, user_agent: 'app', address: '::1' },
    keep: config.SESSIONS_PER_USER - 1,
  })
  if (!subject) throw new Error('not opened')
  return tokens.issue(subject)
}
