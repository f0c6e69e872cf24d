import type { Test } from 'tap'
import { ada, signUp, testApp } from './app.js'

type Headers = Record<string, string>
type Asked = { method?: string; path?: string; headers?: Headers; cookie?: string }

export const authHost = 'auth.example.org'
export const [app1, app2, other] = ['app1.example.org', 'app2.example.org', 'app.example.net']
const hosts = [app1, app2, other]
export const isHtml = { accept: 'text/html,*/*;q=0.8' }

/** A page that a browser opens. */
export const navigation = { ...isHtml, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

/**
 * Gatehouse with three hosts of apps behind a proxy, a user who has registered, and a clock that the test sets forward
 * in seconds.
 */
export async function withHosts(t: Test, env: Headers = {}) {
  const clock = { ahead: 0 }
  const service = await testApp(t, {
    now: () => new Date(Date.now() + clock.ahead * 1_000),
    env: {
      PUBLIC_URL: `https://${authHost}`,
      FORWARD_AUTH_HOSTS: hosts.join(),
      ...env,
    },
  })
  const { app } = service
  await signUp(app)

  /** A request that the proxy sends to Gatehouse for a host. */
  const proxied = (host: string, url: string, { method = 'GET', headers = {} }: Asked = {}) =>
    app.inject({
      method: method as 'GET',
      url,
      headers: {
        host,
        'x-forwarded-for': '192.0.2.1',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': host,
        ...headers,
      },
    })

  /** What the proxy of a host asks before it forwards a request to the app. */
  const ask = (
    host: string,
    { method = 'GET', path = '/page?a=1', headers = {}, cookie }: Asked = {},
  ) =>
    proxied(host, '/forward-auth', {
      headers: {
        'x-forwarded-method': method,
        'x-forwarded-uri': path,
        ...(cookie !== undefined && { cookie }),
        ...headers,
      },
    })

  return { ...service, clock, proxied, ask }
}

export type HostsService = Awaited<ReturnType<typeof withHosts>>

/** A browser with the cookies of each host. It opens pages of the apps, and follows redirects. */
export function openBrowser({ proxied, ask }: HostsService) {
  const jars = new Map<string, Map<string, string>>()
  const jarOf = (host: string) => {
    const jar = jars.get(host) ?? new Map<string, string>()
    jars.set(host, jar)
    return jar
  }
  const cookieOf = (host: string) =>
    [...jarOf(host)].map(([name, value]) => `${name}=${value}`).join('; ')
  const sent = (host: string): Headers => {
    const cookie = cookieOf(host)
    return cookie ? { cookie } : {}
  }

  function keep(host: string, answer: Awaited<ReturnType<HostsService['ask']>>) {
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/Max-Age=0/i.test(line)) jarOf(host).delete(name)
      else jarOf(host).set(name, value)
    }
    return answer
  }

  const get = async (host: string, url: string, headers: Headers = navigation) =>
    keep(host, await proxied(host, url, { headers: { ...headers, ...sent(host) } }))

  const post = async (host: string, url: string, headers: Headers = {}) =>
    keep(
      host,
      await proxied(host, url, {
        method: 'POST',
        headers: {
          ...{ 'sec-fetch-site': 'same-origin', origin: `https://${host}`, ...isHtml },
          ...{ 'content-type': 'application/x-www-form-urlencoded', ...headers, ...sent(host) },
        },
      }),
    )

  /** What the app's proxy is answered for a request of this browser. */
  const visit = async (host: string, asked: Asked = {}) =>
    keep(
      host,
      await ask(host, { ...asked, headers: { ...navigation, ...asked.headers, ...sent(host) } }),
    )

  /** Follows redirects from an address. @returns the addresses, and the last answer; a page of an app has none */
  async function follow(from: string) {
    const places = [from]
    for (;;) {
      const url = new URL(places.at(-1)!)
      const isOurs = url.host === authHost || url.pathname.startsWith('/forward-auth/')
      const answer = isOurs
        ? await get(url.host, url.pathname + url.search)
        : await visit(url.host, { path: url.pathname + url.search })
      if (!answer.headers.location || places.length > 10) return { places, answer }
      places.push(new URL(answer.headers.location, url).href)
    }
  }

  return { jars, jarOf, cookieOf, get, post, visit, follow }
}

export type HostsBrowser = ReturnType<typeof openBrowser>

/** Logs in on the page that a host leads to. @returns the token of the cookie there */
export async function logInAt(service: HostsService, browser: HostsBrowser, host = app1) {
  const { app } = service
  const { answer, places } = await browser.follow(`https://${host}/page?a=1`)
  if (answer.statusCode === 200 && !places.at(-1)?.includes('/login')) return tokenAt(browser, host)
  const next = new URL(places.at(-1)!).searchParams.get('next') ?? '/'
  const login = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
  if (login.statusCode !== 200) throw new Error(login.body)
  const { access_token, refresh_token } = login.json<Record<string, string>>()
  browser.jarOf(authHost).set('__Host-session', access_token!)
  browser.jarOf(authHost).set('__Host-refresh', refresh_token!)
  const back = await browser.follow(`https://${authHost}${next}`)
  if (back.answer.statusCode !== 200) throw new Error(JSON.stringify(back.places))
  return tokenAt(browser, host)
}

export function tokenAt(browser: HostsBrowser, host: string): string {
  const token = browser.jarOf(host).get('__Host-gatehouse')
  if (token === undefined) throw new Error(`no cookie on ${host}`)
  return token
}
