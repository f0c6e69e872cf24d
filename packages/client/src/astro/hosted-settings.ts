import type { HostedSettings } from './types.js'

type Config = {
  base: string
  site?: string | undefined
  trailingSlash?: 'always' | 'never' | 'ignore'
}

/** The redirect URI must be the registered text, so the address of the site counts. In development it is another one. */
export function hostedSettings(
  clientId: string,
  routes: { login: string; callback: string },
  { base, site, trailingSlash }: Config,
  isDevelopment: boolean,
): HostedSettings {
  const at = (path: string) =>
    base.replace(/\/+$/, '') + path + (trailingSlash === 'always' && !path.endsWith('/') ? '/' : '')
  const origin = site === undefined || isDevelopment ? undefined : new URL(site).origin
  return { clientId, loginPath: at(routes.login), callbackPath: at(routes.callback), origin }
}
