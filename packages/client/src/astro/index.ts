import { hostedSettings } from './hosted-settings.js'
import type { Settings } from './types.js'

export { onPost, type Posted } from './forms.js'
export { nextPage } from './paths.js'
export type { GatehouseLocals } from './types.js'

export type GatehouseOptions = {
  /** Paths that need a login, each with all below it: `['/app']`. */
  protect?: string[]
  /** The site's page with the login form. */
  loginPage?: string
  /**
   * `hosted`: the login page is Gatehouse's own. By default it is a form of the site's own. With `clientId` it may
   * have a link to `/login/hosted` too.
   */
  login?: 'form' | 'hosted'
  /** The site's name as a client of Gatehouse, for a login by Gatehouse's own pages. */
  clientId?: string
}

type Config = {
  base: string
  site?: string | undefined
  trailingSlash?: 'always' | 'never' | 'ignore'
  security?: { allowedDomains?: unknown[] }
}
type Hooks = {
  'astro:config:setup': (options: {
    command: string
    config: Config
    injectRoute: (route: { pattern: string; entrypoint: URL; prerender: false }) => void
    addMiddleware: (middleware: { order: 'pre'; entrypoint: URL }) => void
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
  const { protect = [], loginPage = '/login', login = 'form', clientId } = options
  for (const path of [...protect, loginPage]) {
    if (!path.startsWith('/')) throw new TypeError(`gatehouse: "${path}" must begin with /`)
  }
  if (login === 'hosted' && clientId === undefined)
    throw new TypeError("gatehouse: login: 'hosted' needs a clientId")
  // It is a part of the names of cookies.
  if (clientId !== undefined && !/^[a-z][\w.-]{0,62}$/.test(clientId))
    throw new TypeError(`gatehouse: "${clientId}" is no clientId`)
  const top = loginPage.replace(/\/+$/, '')
  const routes = {
    login: login === 'hosted' ? loginPage : `${top}/hosted`,
    callback: `${top}/callback`,
  }
  return {
    name: '@gatehouse/client',
    hooks: {
      'astro:config:setup': ({ command, config, injectRoute, addMiddleware, updateConfig }) => {
        const isSecure = config.site?.startsWith('https:') ?? false
        const hosted =
          clientId === undefined
            ? undefined
            : hostedSettings(clientId, routes, config, command === 'dev')
        const settings: Settings = { protect, loginPage, base: config.base, isSecure, hosted }
        if (hosted) {
          for (const [name, pattern] of Object.entries(routes))
            injectRoute({ pattern, entrypoint: fileOf(`${name}-route`), prerender: false })
        }
        const vite = {
          plugins: [settingsPlugin(settings)],
          ssr: { noExternal: ['@gatehouse/client'] },
        }
        updateConfig({ vite } as never)
        addMiddleware({ order: 'pre', entrypoint: fileOf('entry') })
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

/** A module beside this one. Astro would look up the name of a package as `require` does, and development takes no CommonJS. */
const fileOf = (name: string) => new URL(`./${name}.js`, import.meta.url)

const virtual = 'virtual:gatehouse'

/** The module by which the middleware reads the settings. */
const settingsPlugin = (settings: Settings) => ({
  name: virtual,
  resolveId: (id: string) => (id === virtual ? `\0${virtual}` : undefined),
  load: (id: string) =>
    id === `\0${virtual}` ? `export const settings = ${JSON.stringify(settings)}` : undefined,
})
