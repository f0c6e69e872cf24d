import type { Logger } from 'pino'
import type { Test } from 'tap'
import { bearer, listeningApp } from '../app.js'
import { jsonClient, type Answered } from '../browser-session.js'
import { traveller } from './traveller.js'

/** Where browsers and providers believe Gatehouse to be. */
export const publicUrl = 'https://auth.example.org'

type Json = ReturnType<typeof JSON.parse>

type Options = {
  env?: Record<string, string>
  now?: () => Date
  url?: string
  logger?: Logger
}

/** The service, listening, with browsers that believe it to be at PUBLIC_URL. */
export async function socialApp(t: Test, { env = {}, ...options }: Options = {}) {
  const test = await listeningApp(t, { ...options, env: { PUBLIC_URL: publicUrl, ...env } })
  const { origin, sql } = test
  const client = jsonClient(origin)

  const call = async (...asked: Parameters<typeof client>) => {
    const { status, body } = await client(...asked)
    return { status, body: body as Json }
  }

  const userOf = async (token: string) =>
    (await call('GET', '/api/user', undefined, token)).body.user

  return {
    ...test,
    call,
    browser: () => traveller({ origin, publicUrl: env.PUBLIC_URL ?? publicUrl }),

    /** Who a token belongs to. */
    userOf,

    isAlive: async (token: string) =>
      (await fetch(`${origin}/api/user`, { headers: bearer(token) })).status === 200,

    /** The names of the providers that are connected. */
    async identitiesOf(token: string): Promise<string[]> {
      const { body } = await call('GET', '/api/user/identities', undefined, token)
      return body.identities.map(({ provider }: { provider: string }) => provider)
    },

    /** What is proven of an account, and what gives access to it, past the service. */
    async standingOf(id: string) {
      const [row] = await sql<Standing>(
        `select email, mobile, email_verified_at is not null as email_verified,
           mobile_verified_at is not null as mobile_verified,
           activated_at is not null as activated, password_hash is not null as has_password,
           (select count(*)::int from sessions where user_id = users.id) as sessions,
           (select count(*)::int from identities where user_id = users.id) as identities
         from users where id = $1`,
        [id],
      )
      if (!row) throw new Error('there is no such user')
      return row
    },

    /** How many of each there are. */
    async counts() {
      const [row] = await sql<{ users: number; sessions: number; identities: number }>(
        `select (select count(*)::int from users) as users,
           (select count(*)::int from sessions) as sessions,
           (select count(*)::int from identities) as identities`,
      )
      return row
    },
  }
}

export type SocialApp = Awaited<ReturnType<typeof socialApp>>

type Standing = {
  email: string | null
  mobile: string | null
  email_verified: boolean
  mobile_verified: boolean
  activated: boolean
  has_password: boolean
  sessions: number
  identities: number
}

/** Status and code of a refusal in JSON, and the cookies that it sets: to clear one is no matter. */
export function refusal({ status, html, headers }: Answered) {
  const { code } = (html.startsWith('{') ? JSON.parse(html) : {}) as { code?: string }
  const isCleared = (line: string) => /; (max-age=0|expires=thu, 01 jan 1970)/i.test(line)
  const cookies = headers.getSetCookie().filter((line) => !isCleared(line))
  return { status, code, cookies }
}

/** What `refusal` of it is. */
export const refused = (status: number, code: string) => ({ status, code, cookies: [] as string[] })
