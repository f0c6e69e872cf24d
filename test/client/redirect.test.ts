import t, { type Test } from 'tap'
import { createClient, createRedirectLogin, GatehouseError } from '@gatehouse/client'
import { ada, isRefused, listeningApp, logIn, signUp } from '../support/app.js'
import { addApp } from '../support/oauth.js'

const page = 'https://app.example.com/reports?year=2026#all'
const redirectUri = 'https://app.example.com/callback'

/** A tab of a browser: what the client uses of it. */
function openTab(t: Test) {
  const kept = new Map<string, string>()
  const visited: string[] = []
  let url = new URL(page)
  const go = (way: string) => (target: string) => {
    visited.push(way)
    url = new URL(target, url)
  }
  const location = {
    get href() {
      return url.href
    },
    get pathname() {
      return url.pathname
    },
    get search() {
      return url.search
    },
    assign: go('assign'),
    replace: go('replace'),
  }
  const history = { replaceState: (_: null, __: string, target: string) => go('rewrite')(target) }
  const sessionStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  }
  for (const [name, value] of Object.entries({ location, history, sessionStorage })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name)
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
    t.teardown(() =>
      before
        ? Object.defineProperty(globalThis, name, before)
        : Reflect.deleteProperty(globalThis, name),
    )
  }
  return { location, visited, kept, open: (to: string) => (url = new URL(to)) }
}

/** The service with a user and a public client, and a tab whose browser is logged in there. */
async function start(t: Test) {
  const test = await listeningApp(t, { env: { PUBLIC_URL: 'http://localhost:3000' } })
  const { client_id: clientId } = await addApp(test, 'reports', {
    ...{ redirect_uris: [redirectUri], is_public: true },
  })
  const { access_token } = await signUp(test.app)
  const tab = openTab(t)
  const sent: string[] = []
  const issuer = 'http://localhost:3000'
  const options = { url: `${test.origin}/`, clientId, redirectUri, issuer }
  const login = createRedirectLogin({
    ...options,
    fetch: (url, init) => {
      sent.push(new URL(url).pathname)
      return fetch(url, init)
    },
  })
  /** Goes where the service sends the browser. */
  const follow = async (cookie = `session=${access_token}`) => {
    const answer = await fetch(tab.location.href, { redirect: 'manual', headers: { cookie } })
    tab.open(new URL(answer.headers.get('location') ?? '', test.origin).href)
  }
  return { ...test, tab, login, options, sent, follow }
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
  )

t.test('a page gets the tokens of the login at the service, and its address back', async (t) => {
  const { app, tab, login, options, sent, follow } = await start(t)
  t.equal(await login.finish(), undefined, 'a page that was opened anew')
  await login.start({ prompt: 'none' })
  t.match(tab.location.href, `${options.url}oauth/authorize?`)
  await follow()
  t.match(tab.location.href, `${redirectUri}?code=`)
  const tokens = await login.finish()
  t.match(tokens, { access_token: String, refresh_token: String, refresh_expires_at: Number })
  t.equal(tab.location.href, page)
  t.strictSame(tab.visited, ['replace', 'rewrite'], 'no step of the history')
  t.equal(tab.kept.size, 0, 'neither the verifier nor a token is stored')
  t.equal(await login.finish(), undefined, 'a reload')
  t.strictSame(sent, ['/oauth/token'])

  const client = createClient({ url: options.url, ...(tokens && { tokens }) })
  t.match(await client.user(), { email: ada.email })
  await client.logout()
  t.ok(await isRefused(app, tokens?.access_token ?? ''))
})

t.test('a browser without a login has null, and no request is sent', async (t) => {
  const { tab, login, sent, follow } = await start(t)
  await login.start({ prompt: 'none' })
  await follow('')
  t.match(tab.location.search, 'error=login_required')
  t.equal(await login.finish(), null)
  t.equal(tab.location.href, page)
  t.strictSame(sent, [])
})

t.test('a login on the page of the service is a step of the history', async (t) => {
  const { tab, login, follow } = await start(t)
  await login.start({ max_age: 60, acr_values: 'mfa' })
  t.strictSame(tab.visited, ['assign'])
  t.match(tab.location.search, /max_age=60&acr_values=mfa$/)
  await follow()
  t.match(tab.location.pathname, '/login')
})

t.test('an answer that this tab did not ask for is refused, and no code is sent', async (t) => {
  const { tab, login, sent, follow } = await start(t)
  const answers: [name: string, change: (answer: URL) => void][] = [
    ['another state', ({ searchParams }) => searchParams.set('state', 'another')],
    ['an empty state', ({ searchParams }) => searchParams.set('state', '')],
    ['another issuer', ({ searchParams }) => searchParams.set('iss', 'https://evil.example.org')],
    ['no issuer', ({ searchParams }) => searchParams.delete('iss')],
    ['another tab', () => tab.kept.clear()],
  ]
  for (const [name, change] of answers) {
    tab.open(page)
    await login.start({ prompt: 'none' })
    await follow()
    const answer = new URL(tab.location.href)
    change(answer)
    tab.open(answer.href)
    t.equal(await failureOf(login.finish()), 'invalid_state', name)
    t.equal(tab.location.search.includes('code='), false, `${name}: the address has no code`)
    t.equal(tab.kept.size, 0, name)
  }
  t.strictSame(sent, [])
})

t.test('a fault of the request and a used code have the code of the service', async (t) => {
  const { app, tab, login, follow } = await start(t)
  await login.start({ prompt: 'none' })
  tab.open(tab.location.href.replace('S256', 'plain'))
  await follow()
  t.equal(await failureOf(login.finish()), 'invalid_request')

  await login.start({ prompt: 'none' })
  const pending = new Map(tab.kept)
  await follow()
  const answer = tab.location.href
  t.ok(await login.finish())
  tab.open(answer)
  for (const [key, value] of pending) tab.kept.set(key, value)
  t.equal(await failureOf(login.finish()), 'invalid_grant')
  t.ok((await logIn(app)).access_token)
})
