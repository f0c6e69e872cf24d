import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { bearer, type LoginAnswer } from './app.js'
import { post, startServer, type ServerProcess } from './server-process.js'

export type Login = Pick<LoginAnswer, 'access_token' | 'refresh_token'>

/** A login with the token in the cookie of an app's host. */
export type HostLogin = Login & { host_token: string }

const appHost = 'app.gatehouse.test'

/** Instances on one database, one for each environment. */
export async function cluster(t: Test, environments: Record<string, string>[]) {
  // The issuer and the hosts of apps, which all must know.
  const shared = { PUBLIC_URL: 'http://gatehouse.test', FORWARD_AUTH_HOSTS: appHost }
  const [first = shared, ...rest] = environments.map((env) => ({ ...shared, ...env }))
  const one = await startServer(t, first) // which migrates, if need be
  return [one, ...(await Promise.all(rest.map((env) => startServer(t, env))))]
}

const password = 'correct horse battery'
const userOf = (at: number) => `user-${at}@example.org`

/** So many users, each logged in `each` times. */
export async function logins(server: ServerProcess, users: number, each = 1): Promise<Login[]> {
  await inParallel(users, async (at) => {
    const { status } = await post(`${server.origin}/api/register`, { email: userOf(at), password })
    if (status !== 201) throw new Error(`registered: ${status}`)
  })
  return inParallel(users * each, (at) => logIn(server, at % users))
}

export async function logIn(server: ServerProcess, at: number): Promise<Login> {
  const credentials = { email: userOf(at), password }
  const { status, body } = await post<LoginAnswer>(`${server.origin}/api/login`, credentials)
  if (status === 503) return logIn(server, at) // a slow machine
  if (status !== 200) throw new Error(`logged in: ${status}`)
  return body
}

/** What the proxy of an app's host sends. */
const atHost = (cookie: string) => ({
  ...{ cookie, 'x-forwarded-for': '192.0.2.1' },
  ...{ 'x-forwarded-host': appHost, 'x-forwarded-proto': 'http' },
})

/** Adds the cookie of an app's host to a login, as a browser gets it there. */
export async function openHost<Of extends Login>(
  { origin }: ServerProcess,
  login: Of,
): Promise<Of & HostLogin> {
  const get = async (url: string, headers: Record<string, string>) => {
    const { pathname, search } = new URL(url, origin)
    const answer = await fetch(origin + pathname + search, { headers, redirect: 'manual' })
    await answer.arrayBuffer()
    if (answer.status !== 303) throw new Error(`${pathname}: ${answer.status}`)
    const [cookie = ''] = (answer.headers.getSetCookie()[0] ?? '').split(';')
    return { location: answer.headers.get('location') ?? '', cookie }
  }
  const begun = await get('/forward-auth/login', atHost(''))
  const admitted = await get(begun.location, { cookie: `session=${login.access_token}` })
  const { cookie } = await get(admitted.location, atHost(begun.cookie))
  return { ...login, host_token: cookie.slice('gatehouse='.length) }
}

/** Runs `work` so many times, `width` at a time; what it returned, in order. */
export async function inParallel<Result>(
  count: number,
  work: (at: number) => Promise<Result>,
  width = 16,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const at = next++
      results[at] = await work(at)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
  return results
}

const agent = new Agent({ keepAlive: true, maxSockets: 200 })

export type Short = { status: number; retryAfter: string | undefined; ms: number }

/** One request, of which nothing but the status matters; 0 where the connection ended. */
export function ask(url: string, headers: Record<string, string>, method = 'GET'): Promise<Short> {
  const start = performance.now()
  return new Promise((resolve) => {
    const done = (status: number, retryAfter?: string) =>
      resolve({ status, retryAfter, ms: performance.now() - start })
    request(url, { method, headers, agent }, (answer: IncomingMessage) => {
      answer.resume()
      answer.on('end', () => done(answer.statusCode ?? 0, answer.headers['retry-after']))
      answer.on('error', () => done(0))
    })
      .on('error', () => done(0))
      .end()
  })
}

/** Whether the token opens anything: verification alone, without a query of the route's own. */
export const verify = ({ origin }: ServerProcess, { access_token }: Login) =>
  ask(`${origin}/forward-auth`, bearer(access_token))

/** The same by the cookie of an app's host. */
export const verifyAtHost = ({ origin }: ServerProcess, { host_token }: HostLogin) =>
  ask(`${origin}/forward-auth`, atHost(`gatehouse=${host_token}`))

/** By every credential of the login. */
export const verifyAll = async (server: ServerProcess, login: HostLogin): Promise<number[]> =>
  (await Promise.all([verify(server, login), verifyAtHost(server, login)])).map(
    ({ status }) => status,
  )

export const logOut = ({ origin }: ServerProcess, { access_token }: Login) =>
  ask(`${origin}/api/logout`, bearer(access_token), 'POST')

/** The values below which are so many percent of all. */
export function percentile(values: number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}

export const summary = (values: number[]) =>
  [50, 99, 100].map((percent) => `p${percent} ${percentile(values, percent).toFixed(1)}`).join(', ')

/**
 * How long after now each instance still lets the login in by some credential, in milliseconds; at most ten seconds.
 * @param ways the credentials: by default the access token
 */
export function outlives<Of extends Login>(
  servers: ServerProcess[],
  login: Of,
  ways: ((server: ServerProcess, login: Of) => Promise<Short>)[] = [verify],
): Promise<number[]> {
  const start = performance.now()
  return Promise.all(
    servers.flatMap((server) =>
      ways.map(async (way) => {
        let last = 0
        for (;;) {
          const asked = performance.now() - start
          const { status } = await way(server, login)
          if (status === 401 || asked > 10_000) return last
          if (status === 200) last = asked
          await sleep(2)
        }
      }),
    ),
  )
}
