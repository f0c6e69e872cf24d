// Gatehouse with one route more, open and secured, and a session to ask with: for bench/verify.js.
import { Type } from '@sinclair/typebox'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { buildBase } from '../../src/app-base.js'
import { loadConfig } from '../../src/config/load.js'
import { createHostHook } from '../../src/forward-auth/host-hook.js'
import { createHostTokens } from '../../src/forward-auth/host-tokens.js'
import { forwardAuthRoutes } from '../../src/forward-auth/routes.js'
import { isForwardedChange } from '../../src/forward-auth/original.js'
import { openResources } from '../../src/process/resources.js'
import { openSessions } from './services/services.js'
import { serve } from './serve.js'

const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
const log = pino({ level: 'info' }, { write: () => undefined })
const closers = [() => rm(dataDir, { recursive: true, force: true })]
const config = loadConfig({ RATE_LIMIT: 'off', DATA_DIR: dataDir, ...process.env })
const resources = await openResources(config, { log, closers })
const { app, services, cookies, secure } = await buildBase(config, { ...resources, log })

const schema = { response: { 200: Type.Object({ hello: Type.String() }) } }
app.get('/open', { schema }, () => ({ hello: 'world' }))
await app.register(async (secured) => {
  secure(secured)
  secured.get('/secured', { schema }, () => ({ hello: 'world' }))
})
await app.register(async (secured) => {
  const { hosts } = services
  const { ACCESS_TOKEN_TTL: accessTtl, REFRESH_GRACE: grace, PUBLIC_URL: publicUrl } = config
  const byHost = createHostHook(hosts, createHostTokens({ ...services, cookies, accessTtl, grace }))
  secure(secured, { isChange: isForwardedChange, admitsClients: true }, byHost)
  await secured.register(forwardAuthRoutes, { publicUrl, corsOrigins: [], hosts })
})

process.on('disconnect', async () => {
  for (const closer of [() => app.close(), ...closers.reverse()]) await closer()
  process.exit()
})
await app.ready()
const [session] = await openSessions({ services }, 1)
const [host] = config.FORWARD_AUTH_HOSTS
const host_token = host && (await openHostSession(session))
await serve(app, { access_token: session.access_token, host_token })

/** The cookie of a host for this session. */
async function openHostSession({ session_id: from_id, user_id }) {
  const { store, tokens } = services
  const caller = { user_agent: 'bench', address: '::1' }
  const related = { id: randomUUID(), user_id, from_id, client_id: null, host, keep: 9, ...caller }
  return tokens.issueForHost(await store.sessions.openRelated(related), host).token
}
