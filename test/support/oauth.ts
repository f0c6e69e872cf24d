import pg from 'pg'
import { pino } from 'pino'
import { createServices } from '../../src/services/services.js'
import { keysSecret, type TestApp } from './app.js'

type Service = Pick<TestApp, 'app' | 'db' | 'config'>

export type ClientCredentials = { client_id: string; client_secret: string }

/** What the command line does: a client is let in, and its secret told. */
export async function addClient(
  service: Service,
  name = 'reports',
  roles: string[] = [],
): Promise<ClientCredentials> {
  const { client_id, client_secret = '' } = await (
    await clientsOf(service)
  ).add(operator, name, roles)
  return { client_id, client_secret }
}

/** The key by which a site attests the addresses of its visitors. */
export async function addSite(service: Service, name = 'www'): Promise<string> {
  const added = await (await clientsOf(service)).add(operator, name, [], { attests: true })
  return added.site_key ?? ''
}

/** A client that logs users in. Without a secret if it is public. */
export async function addApp(
  service: Service,
  name: string,
  {
    redirect_uris = [`https://${name}.example.org/callback`],
    is_public = false,
    allows_device = false,
  } = {},
): Promise<{ client_id: string; client_secret?: string }> {
  return (await clientsOf(service)).add(operator, name, [], {
    redirect_uris,
    is_public,
    allows_device,
  })
}

export async function removeClient(service: Service, name = 'reports'): Promise<void> {
  await (await clientsOf(service)).remove(operator, name)
}

async function clientsOf({ db, config }: Service) {
  return (
    await createServices(config, { db, listenUrl: '', keysSecret, log: pino({ level: 'silent' }) })
  ).clients
}

const operator = {
  ...{ user_id: null, session_id: null, address: 'cli', user_agent: null, request_id: null },
}

/** `client_secret_basic`. */
export function basic({ client_id, client_secret }: ClientCredentials) {
  const text = `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` }
}

export const isForm = { 'content-type': 'application/x-www-form-urlencoded' }

/** A form to one of the endpoints, from a client or from nobody. */
export async function post(
  app: Service['app'],
  endpoint: 'token' | 'introspect' | 'revoke' | 'device_authorization',
  form: Record<string, string> | string,
  client?: ClientCredentials,
) {
  return app.inject({
    method: 'POST',
    url: `/oauth/${endpoint}`,
    headers: { ...isForm, ...(client && basic(client)) },
    payload: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  })
}

/** A token of the client's own. */
export async function tokenOf(app: Service['app'], client: ClientCredentials): Promise<string> {
  const answer = await post(app, 'token', { grant_type: 'client_credentials' }, client)
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json<{ access_token: string }>().access_token
}

/** Whether the endpoint says that a token is active. */
export async function isActive(
  app: Service['app'],
  client: ClientCredentials,
  token: string,
): Promise<boolean> {
  const answer = await post(app, 'introspect', { token }, client)
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json<{ active: boolean }>().active
}

export const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

/** As a database that is there and does not answer. */
export async function whileLocked<Result>(
  url: string,
  table: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  try {
    await holder.query(`begin; lock table ${table} in access exclusive mode`)
    return await work()
  } finally {
    await holder.end()
  }
}
