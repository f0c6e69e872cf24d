// Gatehouse with one route more, open and secured, and a session to ask with: for bench/verify.js.
import { Type } from '@sinclair/typebox'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { buildBase } from '../../src/app-base.js'
import { loadConfig } from '../../src/config/load.js'
import { forwardAuthRoutes } from '../../src/forward-auth/routes.js'
import { isForwardedChange } from '../../src/forward-auth/original.js'
import { openResources } from '../../src/process/resources.js'
import { openSessions } from './services.js'
import { serve } from './serve.js'

const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
const log = pino({ level: 'info' }, { write: () => undefined })
const closers = [() => rm(dataDir, { recursive: true, force: true })]
const config = loadConfig({ RATE_LIMIT: 'off', DATA_DIR: dataDir, ...process.env })
const resources = await openResources(config, { log, closers })
const { app, services, secure } = await buildBase(config, { ...resources, log })

const schema = { response: { 200: Type.Object({ hello: Type.String() }) } }
app.get('/open', { schema }, () => ({ hello: 'world' }))
await app.register(async (secured) => {
  secure(secured)
  secured.get('/secured', { schema }, () => ({ hello: 'world' }))
})
await app.register(async (secured) => {
  secure(secured, { isChange: isForwardedChange, admitsClients: true })
  await secured.register(forwardAuthRoutes, { publicUrl: config.PUBLIC_URL, corsOrigins: [] })
})

process.on('disconnect', async () => {
  for (const closer of [() => app.close(), ...closers.reverse()]) await closer()
  process.exit()
})
await app.ready()
const [{ access_token }] = await openSessions({ services }, 1)
await serve(app, { access_token })
