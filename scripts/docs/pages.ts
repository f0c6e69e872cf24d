import { claimsPage } from './claims.js'
import { clientTypes } from './client-types.js'
import { commandLinePage } from './command-line.js'
import { configurationPage, exampleFile } from './configuration.js'
import { errorsPage } from './errors.js'
import { logPage } from './log.js'
import { metricsPage } from './metrics.js'
import { routesPage, type Document } from './routes.js'

/** Every generated file with its content; `document` is that of \`GET /openapi.json\`. */
export const generated = async (document: Document): Promise<Record<string, string>> => ({
  '.env.example': exampleFile(),
  'docs/reference/routes.md': routesPage(document),
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/configuration.md': configurationPage(),
  'docs/reference/command-line.md': await commandLinePage(),
  'docs/reference/metrics.md': await metricsPage(),
  'docs/reference/claims.md': claimsPage(),
  'docs/reference/log.md': logPage(),
  'packages/client/src/api.ts': await clientTypes(document),
})
