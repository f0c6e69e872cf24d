import type { InjectOptions } from 'fastify'
import { bearer, logIn, signUp, type LoginAnswer, type TestApp } from '../app.js'

export type Reply = { status: number; code?: string; body: Record<string, unknown> }

export type Client = {
  id: string
  account: { email: string; password: string }
  login: LoginAnswer
  /** A request with the access token of the client. */
  send: (
    method: InjectOptions['method'],
    url: string,
    payload?: object,
    headers?: Record<string, string>,
  ) => Promise<Reply>
}

type Service = Pick<TestApp, 'app' | 'sql'>

const password = 'correct horse battery'
let clients = 0

/** Somebody who is logged in. */
export async function createClient({ app }: Pick<Service, 'app'>, name = 'user'): Promise<Client> {
  const account = { email: `${name}-${++clients}@example.org`, password }
  return clientOf(app, account, await signUp(app, account))
}

/** The same, with a token that names the role. */
export async function createAdmin(service: Service, name = 'admin'): Promise<Client> {
  const { account, id } = await createClient(service, name)
  await service.sql(`insert into user_roles values ($1, 'admin')`, [id])
  return clientOf(service.app, account, await logIn(service.app, account))
}

/** Once more logged in, where sessions or roles have changed. */
export const again = async ({ app }: Pick<Service, 'app'>, { account }: Client): Promise<Client> =>
  clientOf(app, account, await logIn(app, account))

/** The same session, with the next pair of tokens. */
export async function refreshed(
  { app }: Pick<Service, 'app'>,
  { login }: Client,
): Promise<LoginAnswer> {
  const { refresh_token } = login
  const answer = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token },
  })
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return { ...login, ...answer.json<Partial<LoginAnswer>>() }
}

export function clientOf(
  app: Service['app'],
  account: Client['account'],
  login: LoginAnswer,
): Client {
  return {
    id: login.user.id,
    account,
    login,
    send: async (method = 'GET', url, payload, headers = {}) => {
      const answer = await app.inject({
        method,
        url,
        headers: { ...bearer(login.access_token), ...headers },
        ...(payload && { payload }),
      })
      const body = answer.json<Record<string, unknown>>()
      const { code } = body as { code?: string }
      return { status: answer.statusCode, ...(code !== undefined && { code }), body }
    },
  }
}
