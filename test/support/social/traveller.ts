import { browserSession, type Answered } from '../browser-session.js'

type Options = { origin: string; publicUrl: string }

/** As a browser says it of the way back from a provider. */
const fromProvider = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }

/**
 * A browser that signs in elsewhere and comes back: `publicUrl` is where it believes Gatehouse to be,
 * `origin` where it is. Nothing that a page says is followed but redirects.
 */
export function traveller({ origin, publicUrl }: Options) {
  const home = browserSession(origin)

  const self = {
    /** What it does at Gatehouse itself, and the cookies from there. */
    home,

    /** By its name, with the prefix that it has over https or without. */
    cookie: (name: string) => home.cookies.get(`__Host-${name}`) ?? home.cookies.get(name) ?? '',

    /** Starts a login: the provider's page to go to. */
    async leave(provider: string, next?: string): Promise<URL> {
      const query = next === undefined ? '' : `?next=${encodeURIComponent(next)}`
      const left = await home.get(`/auth/${provider}${query}`)
      if (left.status !== 303) throw new Error(`${left.status} ${left.html.slice(0, 500)}`)
      return new URL(left.location ?? '')
    },

    /** What came of a login that a provider ended with this URL; in JSON unless `html`. */
    comeBack: (callback: URL | string, { html = false } = {}): Promise<Answered> =>
      home.get(pathOf(callback, publicUrl), {
        ...fromProvider,
        ...(!html && { accept: 'application/json' }),
      }),

    /** And ends it there: the URL to come back to. */
    async arrive(provider: string, person: object, next?: string): Promise<URL> {
      return visit(await self.leave(provider, next), person, publicUrl)
    },

    /** All of it. `person` is what the page of the provider gets to know of the visitor. */
    async signIn(provider: string, person: object, next?: string): Promise<Answered> {
      return self.comeBack(await self.arrive(provider, person, next))
    },
  }
  return self
}

export type Traveller = ReturnType<typeof traveller>

/**
 * At the provider, without a memory of earlier visits: says who one is where a page asks, and goes on
 * until it is sent back to Gatehouse. @returns the URL of the callback
 */
export async function visit(page: URL, person: object, publicUrl: string): Promise<URL> {
  const jar = new Map<string, string>()
  let url = page
  let body: string | null = null
  for (let hops = 0; hops < 12; hops += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const method = body === null ? 'GET' : 'POST'
    const answer: Response = await fetch(url, {
      method,
      body,
      redirect: 'manual',
      headers: { cookie },
    })
    const text = await answer.text()
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
    }
    const location = answer.headers.get('location')
    const asks: boolean = location === null && body === null && text.includes('Who are you?')
    if (!asks && location === null) throw new Error(`${url.href}: ${answer.status} ${text}`)
    body = asks ? JSON.stringify(person) : null
    if (location !== null) url = new URL(location, url)
    if (url.href.startsWith(`${publicUrl}/`)) return url
  }
  throw new Error('the provider sends in circles')
}

/** Where the page of a connect form leads. */
export function refreshTarget(html: string): URL {
  const [, escaped = ''] = /<meta http-equiv="refresh" content="0; ?url=([^"]+)">/i.exec(html) ?? []
  return new URL(escaped.replaceAll('&amp;', '&'))
}

function pathOf(callback: URL | string, publicUrl: string): string {
  const text = String(callback)
  if (!text.startsWith(`${publicUrl}/`)) throw new Error(`not a page of ours: ${text}`)
  return text.slice(publicUrl.length)
}
