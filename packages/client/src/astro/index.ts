import type { Settings } from './types.js'

export { onPost, type Posted } from './forms.js'
export { nextPage } from './paths.js'
export type { GatehouseLocals } from './types.js'

export type GatehouseOptions = {
  /** Paths that need a login, each with all below it: `['/app']`. */
  protect?: string[]
  /** The site's page with the login form. */
  loginPage?: string
}

type Config = { base: string; site?: string | undefined; security?: { allowedDomains?: unknown[] } }
type Hooks = {
  'astro:config:setup': (options: {
    config: Config
    addMiddleware: (middleware: { order: 'pre'; entrypoint: string }) => void
    // Astro's own type is that of Vite's whole configuration.
    updateConfig: (change: never) => unknown
  }) => void
  'astro:config:done': (options: {
    config: Config
    logger: { warn: (message: string) => void }
    injectTypes: (types: { filename: string; content: string }) => unknown
  }) => void
}

const types = `declare namespace App {
  interface Locals extends import('@gatehouse/client/astro').GatehouseLocals {}
}
`

/** The integration: `integrations: [gatehouse({ protect: ['/app'] })]`. */
export function gatehouse(options: GatehouseOptions = {}): { name: string; hooks: Hooks } {
  const { protect = [], loginPage = '/login' } = options
  for (const path of [...protect, loginPage]) {
    if (!path.startsWith('/')) throw new TypeError(`gatehouse: "${path}" must begin with /`)
  }
  return {
    name: '@gatehouse/client',
    hooks: {
      'astro:config:setup': ({ config, addMiddleware, updateConfig }) => {
        const isSecure = config.site?.startsWith('https:') ?? false
        const settings: Settings = { protect, loginPage, base: config.base, isSecure }
        const vite = {
          plugins: [settingsPlugin(settings)],
          ssr: { noExternal: ['@gatehouse/client'] },
        }
        updateConfig({ vite } as never)
        addMiddleware({ order: 'pre', entrypoint: '@gatehouse/client/astro/middleware' })
      },
      'astro:config:done': ({ config, logger, injectTypes }) => {
        injectTypes({ filename: 'locals.d.ts', content: types })
        if ((config.security?.allowedDomains ?? []).length > 0) return
        logger.warn(
          'security.allowedDomains is empty. On a built server Astro then refuses every posted form. List the host of the site.',
        )
      },
    },
  }
}

const virtual = 'virtual:gatehouse'

/** The module by which the middleware reads the settings. */
const settingsPlugin = (settings: Settings) => ({
  name: virtual,
  resolveId: (id: string) => (id === virtual ? `\0${virtual}` : undefined),
  load: (id: string) =>
    id === `\0${virtual}` ? `export const settings = ${JSON.stringify(settings)}` : undefined,
})
