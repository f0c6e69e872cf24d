import type { IncomingMessage, ServerResponse } from 'node:http'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import FindMyWay from 'find-my-way'
import type { Test } from 'tap'
import type { App } from '../../src/app.js'
import { publish } from '../../src/http/openapi/publish.js'
import { resolveResponse } from '../../src/http/openapi/responses.js'
import type { OpenApi, Operation } from '../../src/http/openapi/types.js'

type Reply = {
  method: string
  url: string
  status: number
  headers: Record<string, unknown>
  body: Buffer
}

/** Services with the same routes have the same document: a process reads it once. */
const descriptions = new Map<string, ReturnType<typeof describe>>()

/** Fails the test if a reply of the service is not as `/openapi.json` describes it. */
export function compareReplies(t: Test, app: App): void {
  let description: ReturnType<typeof describe> | undefined
  const faultOf = (reply: Reply) => {
    description ??= descriptionOf(app)
    const fault = description.faultOf(reply)
    return fault && `${reply.method} ${reply.url}: ${reply.status}: ${fault}`
  }

  const inject = app.inject.bind(app) as (options: unknown) => Promise<{
    statusCode: number
    headers: Record<string, unknown>
    rawPayload: Buffer
  }>
  app.inject = (async (options: string | { method?: string; url?: string; path?: string }) => {
    const answer = await inject(options)
    const { method = 'GET', url, path } = typeof options === 'string' ? { url: options } : options
    const { statusCode: status, headers, rawPayload: body } = answer
    const target = url ?? path
    const fault =
      typeof target === 'string'
        ? faultOf({ method, url: target, status, headers, body })
        : undefined
    if (fault !== undefined) throw new Error(fault)
    return answer
  }) as typeof app.inject

  app.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    const keep = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
    }
    const { write, end, writeHead } = response
    let headers: Record<string, unknown> = {}
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      const last = args.at(-1)
      if (typeof last === 'object' && !Array.isArray(last)) headers = lowerCased(last)
      return writeHead.apply(response, args)
    }) as typeof writeHead
    response.write = ((...args: Parameters<typeof write>) => {
      keep(args[0])
      return write.apply(response, args)
    }) as typeof write
    response.end = ((...args: Parameters<typeof end>) => {
      keep(args[0])
      return end.apply(response, args)
    }) as typeof end
    response.on('finish', () => {
      const { method = 'GET', url = '/' } = request
      const { statusCode: status } = response
      const body = Buffer.concat(chunks)
      const all = { ...response.getHeaders(), ...headers }
      const fault = faultOf({ method, url, status, headers: all, body })
      if (fault !== undefined) t.fail(fault)
    })
  })
}

function descriptionOf(app: App) {
  const routes = app.printRoutes()
  const found = descriptions.get(routes) ?? describe(publish(app.swagger()))
  descriptions.set(routes, found)
  return found
}

const lowerCased = (headers: object) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

function describe(document: OpenApi) {
  const ajv = new Ajv2020({ strict: false, validateFormats: true })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'openapi', ...document })
  const validators = new Map<string, ValidateFunction>()
  const finder = FindMyWay({ maxParamLength: 256, ignoreTrailingSlash: true })
  for (const [path, operations] of Object.entries(document.paths)) {
    finder.on('GET', path.replaceAll(/\{(\w+)\}/g, ':$1'), () => undefined, { path, operations })
  }

  /** Says how a reply differs from the document. Undefined for a path that is not in it. */
  function faultOf({ method, url, status, headers, body }: Reply): string | undefined {
    const target = url.replace(/^https?:\/\/[^/]+/, '').split(/[?#]/)[0] ?? ''
    const found = finder.find('GET', target || '/')?.store as
      { path: string; operations: Record<string, Operation> } | undefined
    if (!found || !target.startsWith('/') || method === 'OPTIONS') return undefined
    const { path, operations } = found
    const isForAny = /^\/forward-auth(\/mfa)?(\/role\/|$)/.test(path)
    const verb = method === 'HEAD' || isForAny ? 'get' : method.toLowerCase()
    const operation = operations[verb]
    if (!operation)
      return [404, 405].includes(status) ? undefined : 'the operation is not described'
    if (status === 405) return undefined
    const { responses } = operation
    const key = String(status) in responses || status < 400 ? String(status) : 'default'
    const { $ref: shared } = responses[key] ?? {}
    const response = resolveResponse(document, responses[key])
    if (!response) return 'the status is not described'
    const isPage = operation.tags?.includes('pages') ?? false
    if (key === 'default' && !isPage && !target.endsWith('/')) {
      const { code } = JSON.parse(body.toString() || '{}') as { code?: string }
      if (code !== undefined) return `the code ${code} is not described`
    }
    const known = Object.keys(response.headers ?? {}).map((name) => name.toLowerCase())
    for (const name of ['location', 'retry-after', 'set-cookie', 'www-authenticate']) {
      if (headers[name] !== undefined && !known.includes(name)) return `${name} is not described`
    }
    if (body.length === 0 || method === 'HEAD' || [204, 304].includes(status)) return undefined
    const type =
      typeof headers['content-type'] === 'string'
        ? (headers['content-type'].split(';')[0] ?? '')
        : ''
    // A type that a client must ask for is described in words.
    if (!response.content?.[type] && operation.description?.includes(`\`${type}\``))
      return undefined
    if (!response.content?.[type]) return `a body of type "${type}" is not described`
    if (!type.endsWith('json')) return undefined
    const at = shared?.split('/').slice(1) ?? ['paths', path, verb, 'responses', key]
    const pointer = [...at, 'content', type, 'schema']
    const ref = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
    let validate = validators.get(ref)
    if (!validate) {
      validate = ajv.compile({ $ref: `openapi#/${encodeURI(ref)}` })
      validators.set(ref, validate)
    }
    if (validate(JSON.parse(body.toString()))) return undefined
    return `${ajv.errorsText(validate.errors)} in ${body.toString().slice(0, 500)}`
  }

  return { faultOf }
}
