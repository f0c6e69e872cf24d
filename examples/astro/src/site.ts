import { getSecret } from 'astro:env/server'

/** A page of this site: the base of the configuration, then the path. */
export const to = (path: string) => import.meta.env.BASE_URL.replace(/\/+$/, '') + path

/**
 * What the user is called, by the token, so that a page calls Gatehouse never. A token has no e-mail address that is
 * not verified.
 */
export const nameOf = ({ user }: App.Locals) => user?.name ?? user?.email ?? user?.username

/**
 * The links to Gatehouse's own login page, for a site that is a client of Gatehouse.
 * @param isNeeded whether the account cannot log in by a form of the site, so that there is always a link
 */
export function hostedLogins(url: URL, isNeeded: boolean): { label: string; href: string }[] {
  if (getSecret('CLIENT_ID') === undefined)
    return isNeeded ? [{ label: 'Gatehouse', href: `${gatehouseUrl()}/login` }] : []
  const names: Record<string, string> = { google: 'Google', github: 'GitHub' }
  const providers = (getSecret('PROVIDERS') ?? '').split(',').filter((name) => name !== '')
  const linkOf = (provider?: string) => {
    const query = new URLSearchParams(url.search)
    if (provider) query.set('provider', provider)
    return `${to('/login/hosted')}?${query}`
  }
  const byProvider = providers.map((name) => ({ label: names[name] ?? name, href: linkOf(name) }))
  return [...byProvider, { label: 'Gatehouse', href: linkOf() }]
}

const gatehouseUrl = () =>
  getSecret('GATEHOUSE_PUBLIC_URL') ??
  getSecret('GATEHOUSE_ISSUER') ??
  getSecret('GATEHOUSE_URL') ??
  'http://localhost:3000'
