import { createHash, randomBytes } from 'node:crypto'
import { ada, signUp, type LoginAnswer, type TestApp } from './app.js'
import { addApp, claimsOf, post } from './oauth.js'

type Query = Record<string, string | undefined>

export type App = { client_id: string; client_secret?: string; redirect_uri: string }

export const newVerifier = () => randomBytes(32).toString('base64url')

export const challengeOf = (verifier: string) =>
  createHash('sha256').update(verifier).digest('base64url')

/** A service with a user whose browser has the cookie of a login, and an app of each kind. */
export async function withApps<Service extends TestApp>(service: Service) {
  const login = await signUp(service.app, ada)
  const shop: App = {
    ...(await addApp(service, 'shop')),
    redirect_uri: 'https://shop.example.org/callback',
  }
  const spa: App = {
    ...(await addApp(service, 'spa', { is_public: true })),
    redirect_uri: 'https://spa.example.org/callback',
  }
  const cookie = `session=${login.access_token}`

  const ways = authorizing(service, { cookie })
  const { getCode, exchange } = ways
  const logInTo = async (to: App): Promise<LoginAnswer> => {
    const verifier = newVerifier()
    const answer = await exchange(to, await getCode(to, verifier), verifier)
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return answer.json<LoginAnswer>()
  }

  return { ...service, ...ways, login, cookie, shop, spa, logInTo }
}

/** What an app and a browser send. `own` are the headers of the browser. */
export function authorizing({ app }: Pick<TestApp, 'app'>, own: Record<string, string> = {}) {
  /** What the browser of the user is answered. `undefined` leaves a parameter out. */
  const authorize = async (query: Query | string, headers = own) => {
    const answer = await app.inject({ url: `/oauth/authorize?${toQuery(query)}`, headers })
    const { location = '' } = answer.headers
    return { ...answer, location, back: parametersOf(location) }
  }

  const requestOf = ({ client_id, redirect_uri }: App, verifier: string): Query => ({
    ...{ response_type: 'code', client_id, redirect_uri, state: 'a state' },
    ...{ code_challenge: challengeOf(verifier), code_challenge_method: 'S256' },
  })

  const getCode = async (to: App, verifier: string, more: Query = {}): Promise<string> => {
    const { back, body } = await authorize({ ...requestOf(to, verifier), ...more })
    if (!back.code) throw new Error(`no code: ${JSON.stringify(back)} ${body}`)
    return back.code
  }

  /** The exchange, as the app does it. */
  const exchange = (by: App, code: string, code_verifier: string, more: Query = {}) => {
    const { client_id, client_secret, redirect_uri } = by
    const form = { grant_type: 'authorization_code', code, redirect_uri, code_verifier }
    const way = client_secret === undefined ? { client_id } : {}
    const credentials = client_secret === undefined ? undefined : { client_id, client_secret }
    return post(app, 'token', toQuery({ ...form, ...way, ...more }), credentials)
  }

  return { authorize, requestOf, getCode, exchange }
}

export const toQuery = (query: Query | string): string =>
  typeof query === 'string'
    ? query
    : new URLSearchParams(
        Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined),
      ).toString()

const parametersOf = (location: string): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(location.split('?').slice(1).join('?')))

export const sidOf = (token: string) => String(claimsOf(token).sid)
