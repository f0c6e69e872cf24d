import { accessOf, type Operation } from './document.js'
import { sampleOf } from '../../http/openapi/samples.js'

/** The same request as commands for HTTPie and curl. */
export type Examples = { httpie: string; curl: string }

/** The credentials of each access, as shell variables. */
const credentials: Record<string, { bearer: string } | { basic: string } | undefined> = {
  public: undefined,
  'holder of the token': undefined,
  'refresh token': { bearer: '$REFRESH_TOKEN' },
  client: { basic: '$CLIENT:$SECRET' },
  'client, or refresh token': { basic: '$CLIENT:$SECRET' },
  '`METRICS_TOKEN`, if set': { bearer: '$METRICS_TOKEN' },
}

/** Commands that call an operation. Pages have none, because they are for browsers. */
export function examplesOf(
  server: string,
  method: string,
  path: string,
  operation: Operation,
): Examples | undefined {
  if (operation.tags?.includes('pages')) return undefined
  const access = accessOf(method, path, operation)
  const auth = access in credentials ? credentials[access] : { bearer: '$TOKEN' }
  const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(
    operation.requestBody?.content ?? {},
  )
  const request = {
    method,
    url: quoted(server + path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => name.toUpperCase())),
    auth,
    type,
    body: sampleOf(method, schema),
  }
  return { httpie: httpie(request), curl: curl(request) }
}

type Request = {
  method: string
  url: string
  auth: { bearer: string } | { basic: string } | undefined
  type: string
  body: Record<string, unknown> | undefined
}

function httpie({ method, url, auth, type, body }: Request): string {
  const words = ['http']
  if (auth) words.push('bearer' in auth ? `-A bearer -a "${auth.bearer}"` : `-a "${auth.basic}"`)
  if (body && type !== 'application/json') words.push(isFile(type) ? '--multipart' : '--form')
  if (method !== (body ? 'POST' : 'GET')) words.push(method)
  words.push(url)
  for (const [name, value] of Object.entries(body ?? {})) {
    if (isFile(type)) words.push(`${name}@${quoted(String(value))}`)
    else if (typeof value === 'string') words.push(`${name}=${quoted(value)}`)
    else words.push(`${name}:=${quoted(JSON.stringify(value))}`)
  }
  return words.join(' ')
}

function curl({ method, url, auth, type, body }: Request): string {
  const words = ['curl']
  if (method !== (body ? 'POST' : 'GET')) words.push(`-X ${method}`)
  if (auth) {
    words.push(
      'bearer' in auth ? `-H "Authorization: Bearer ${auth.bearer}"` : `-u "${auth.basic}"`,
    )
  }
  words.push(url)
  if (body && type === 'application/json') words.push(`--json ${quoted(JSON.stringify(body))}`)
  else {
    for (const [name, value] of Object.entries(body ?? {})) {
      const text = String(value)
      words.push(isFile(type) ? `-F ${name}=@${quoted(text)}` : `-d ${quoted(`${name}=${text}`)}`)
    }
  }
  return words.join(' ')
}

const isFile = (type: string) => type === 'multipart/form-data'

/** Quotes a text as one word of a POSIX shell. */
const quoted = (text: string) =>
  /^[\w.:/@=+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
