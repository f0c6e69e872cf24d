import { getSecret } from 'astro:env/server'

/** A page of this site: the base of the configuration, then the path. */
export const to = (path: string) => import.meta.env.BASE_URL.replace(/\/+$/, '') + path

/** The links to Gatehouse's own login page, for a site that is a client of Gatehouse. */
export function hostedLogins(url: URL): { label: string; href: string }[] {
  if (getSecret('CLIENT_ID') === undefined) return []
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
