import type { ErrorCode } from '../../../src/errors.js'
import { bearer, logIn, signUp, type LoginAnswer, type TestApp } from '../app.js'
import { exchange, toBytes, type Bytes, type Exchange, type RawRequest } from './connection.js'
import { someId, type BodySchema, type Route } from './route-table.js'
import { faultsOf, type Expected } from './verdict.js'

/**
 * How far a bad request gets: refused by its `head`, by what comes `after` it on the wire, as its
 * `body` is read, or for its `fields`, `query` or `path` once it is known who asks; or it is
 * `legal`, and answered as any other (`bare`: as one without a body). A route that reads no body
 * answers after the head.
 */
export type Stage = 'head' | 'after' | 'body' | 'fields' | 'query' | 'path' | 'legal' | 'bare'

export type Case = {
  name: string
  stage: Stage
  request: RawRequest
  codes?: ErrorCode[]
  field?: string
  /** The client says at once that no more will come. */
  half?: boolean
}

export type Sample = Record<string, unknown>

export type Caller = Awaited<ReturnType<typeof createCaller>>

// Of what says who is meant, a good request names the e-mail address alone.
const unused = ['username', 'mobile', 'token', 'invitation', 'expires_in']
let accounts = 0

/**
 * A user who calls one route, an administrator if it takes one: with a good request, to learn its
 * answer, then with bad ones.
 */
export async function createCaller(
  { app, origin, sql }: Pick<TestApp, 'app' | 'sql'> & { origin: string },
  route: Route,
) {
  const { method } = route
  const password = 'correct horse battery'
  const number = ++accounts
  const account = { email: `caller-${number}@example.org`, password }
  let login: LoginAnswer = await signUp(app, account)
  let isAdmin = false

  // What is deleted would be there only once: such a route is asked for what is not there.
  const isOfOther = route.url.includes(':id') && method !== 'DELETE'
  const other = { email: `other-${number}@example.org`, password }
  const path = route.url
    .replace(':id', isOfOther ? (await signUp(app, other)).user.id : someId)
    .replace(':role', 'user')
    .replace(':name', method === 'DELETE' ? 'nobody' : 'user')

  /** Values that the route accepts, of the account that it is about. */
  function sample(): Sample {
    const { email } = isOfOther ? other : account
    const { refresh_token } = login
    // A person may be called as a role is; and of roles this one is always there.
    const known: Sample = { email, password, refresh_token, name: 'user', code: '12345678' }
    const passwords = { old_password: password, new_password: password }
    const fields = Object.entries(route.body?.properties ?? {})
    return Object.fromEntries(
      fields
        .filter(([name]) => !unused.includes(name))
        .map(([name, schema]) => [name, { ...known, ...passwords }[name] ?? valueOf(schema)]),
    )
  }

  /** What the request changed, such as a session that ended, must not spoil the next one. */
  async function renew(): Promise<void> {
    login = await logIn(app, account).catch(() => signUp(app, account))
    if (!isAdmin || login.user.roles.includes('admin')) return
    await sql(`insert into user_roles values ($1, 'admin')`, [login.user.id])
    login = await logIn(app, account)
  }

  async function send(request: RawRequest, { withToken = false, half = false } = {}) {
    const token = withToken ? [`Authorization: ${bearer(login.access_token).authorization}`] : []
    const headers = [...token, ...(request.headers ?? [])]
    const heard = await exchange(origin, toBytes({ method, target: path, ...request, headers }), {
      half,
    })
    // A request of bad framing may be carried out before what is bad about it arrives.
    const isDone = request.measured === false || heard.answers.some(({ status }) => status < 300)
    if (route.readsBody && isDone) await renew()
    return heard
  }

  /** The good request; what it answers is what every legal spelling of it must answer. */
  async function ask(withBody: boolean, withToken: boolean): Promise<Expected> {
    const body = withBody ? sample() : {}
    const request = Object.keys(body).length > 0 ? inJson(JSON.stringify(body)) : {}
    return expectedOf(await send(request, { withToken }))
  }

  if ((await ask(false, true)).codes?.[0] === 'forbidden') {
    isAdmin = true
    await renew()
  }
  const legal = await ask(route.readsBody, true)
  const bare = await ask(false, true)
  const unknown = await ask(route.readsBody, false)
  /** Whether a token makes the difference. */
  const needsToken = unknown.codes?.[0] === 'invalid_token' && legal.codes?.[0] !== 'invalid_token'
  const bareUnknown = needsToken ? unknown : await ask(false, false)

  function expected({ stage, codes, field, request }: Case, withToken: boolean): Expected {
    const good = withToken ? legal : unknown
    const refusal = { codes: codes ?? ['bad_request' as const], field }
    if (stage === 'head') return { ...refusal, toHead: request.method === 'HEAD' }
    if (stage === 'bare') return withToken ? bare : bareUnknown
    if (stage === 'legal') return good
    if (stage === 'query') return withToken || !needsToken ? refusal : bareUnknown
    // Who may not see a path is told no more of it.
    if (stage === 'path') return { codes: [...refusal.codes, ...(good.codes ?? [])] }
    if (stage === 'after' && !route.readsBody) {
      return { ...good, codes: [...refusal.codes, ...(good.codes ?? [])] }
    }
    const isAsked = stage !== 'fields' || withToken || !needsToken
    return route.readsBody && isAsked ? refusal : good
  }

  return {
    route,
    path,
    isAdmin,
    /** What the good request is answered without a token. */
    tokenless: unknown,
    needsToken,
    sample,
    send,
    /** What is wrong with the answer to a bad request. */
    async faults(bad: Case, withToken: boolean): Promise<string[]> {
      const heard = await send(bad.request, { withToken, half: bad.half ?? false })
      return faultsOf(heard, expected(bad, withToken))
    },
  }
}

/** A body in JSON, for a case. */
export const inJson = (body: Bytes): RawRequest => ({
  headers: ['Content-Type: application/json'],
  body,
})

function valueOf({ type, anyOf }: BodySchema): unknown {
  const values: Record<string, unknown> = {
    boolean: false,
    integer: 1,
    number: 1,
    array: [],
    object: {},
  }
  const [first] = [type ?? anyOf?.[0]?.type ?? ''].flat()
  return values[first ?? ''] ?? 'sample text'
}

function expectedOf({ answers: [answer] }: Exchange): Expected {
  if (!answer || answer.status >= 500)
    throw new Error(`a good request got ${answer?.head ?? 'none'}`)
  if (answer.status < 400) return { status: answer.status }
  const { code } = JSON.parse(answer.body) as { code: ErrorCode }
  return { codes: [code] }
}
