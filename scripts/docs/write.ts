// `npm run docs`: writes the generated files. The routes, also those of settings that are off, come from the
// running app, on a database of its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/load.js'
import { createLogger } from '../../src/log/logger.js'
import { openResources, type Closers } from '../../src/process/resources.js'
import { generated } from './pages.js'
import type { Document } from './routes.js'

const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-docs-'))
const closers: Closers = [() => rm(dataDir, { recursive: true, force: true })]
const log = createLogger('warn', process.stderr)
const config = loadConfig({ DATA_DIR: dataDir, DEVICE_LOGIN: 'on' })
const resources = await openResources(config, { log, closers })
const app = await buildApp(config, { ...resources, log })
closers.push(() => app.close())
await app.ready()
const pages = await generated(app.swagger() as unknown as Document)
for (const [name, text] of Object.entries(pages)) {
  await writeFile(new URL(`../../${name}`, import.meta.url), text)
}
for (const closer of closers.reverse()) await closer()
