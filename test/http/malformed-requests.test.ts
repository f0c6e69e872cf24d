import t, { type Test } from 'tap'
import type { ErrorCode } from '../../src/errors.js'
import { listeningApp } from '../support/app.js'
import { bodies } from '../support/http/bodies.js'
import { createCaller, inJson, type Caller, type Case } from '../support/http/caller.js'
import { exchange, toBytes } from '../support/http/connection.js'
import { contentTypes, contentTypesOfInvalid } from '../support/http/content-types.js'
import { oddTexts } from '../support/http/odd-texts.js'
import { fields, identifiers } from '../support/http/fields.js'
import { framing, garbage } from '../support/http/framing.js'
import { heads, methods, parameters, targets } from '../support/http/heads.js'
import { collectRoutes, nameOf } from '../support/http/route-table.js'
import { faultsOf, faultsOfAnswer, type Expected } from '../support/http/verdict.js'

const routes = collectRoutes()

t.test('no malformed request is answered by more or less than an error', async (t) => {
  const log: string[] = []
  const logTo = { write: (line: string) => void log.push(line) }
  // A good body comes many times: that it holds a spent refresh token is not what it is refused for.
  const env = { LOG_LEVEL: 'error', REFRESH_GRACE: '1h' }
  const service = await listeningApp(t, { env, logTo })
  const callers = await Promise.all(routes.map((route) => createCaller(service, route)))
  const { origin } = service
  const bystander = await createCaller(
    service,
    routes.find((route) => nameOf(route) === alive)!,
  )

  /** The token that was good at the beginning is good, and the database answers. */
  async function stillServes(t: Test): Promise<void> {
    const user = await bystander.send({}, { withToken: true })
    t.strictSame(faultsOf(user, { status: 200 }), [], 'a good token is still good')
    const ready = await exchange(origin, toBytes({ target: '/health/ready' }))
    t.strictSame(faultsOf(ready, { status: 200 }), [], 'the service is ready')
  }

  await t.test('every route of the OpenAPI document is attacked', async (t) => {
    const { paths } = service.app.swagger() as { paths: Record<string, object> }
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const attacked = routes.map((route) => nameOf(route).replaceAll(/:(\w+)/g, '{$1}'))
    t.ok(documented.length > 0)
    t.strictSame(
      documented.filter((name) => !attacked.includes(name)),
      [],
    )
    t.ok(callers.some(({ needsToken, route }) => needsToken && route.readsBody))
  })

  const groups: Record<string, (caller: Caller) => Case[]> = {
    'content types': ({ route, sample }) => [
      ...contentTypes(JSON.stringify(sample())),
      ...(route.body
        ? contentTypesOfInvalid(JSON.stringify({ ...sample(), role: 'admin' }), 'role')
        : []),
    ],
    bodies: ({ sample }) => bodies(sample()),
    fields: ({ route, sample }) => (route.body ? fields(route.body, sample()) : []),
    identifiers: ({ route, sample }) => (route.body ? identifiers(route.body, sample()) : []),
    heads: () => heads(),
    targets: ({ route }) => [...targets(route.path), ...parameters(route.url)],
    methods: ({ route }) => methods(methodsOf(route.url)),
    'framing of bodies': ({ sample }) => framing(JSON.stringify(sample())),
  }
  for (const [name, casesOf] of Object.entries(groups)) {
    await t.test(name, async (t) => {
      await Promise.all(callers.map((caller) => attack(t, caller, casesOf(caller))))
      await stillServes(t)
    })
  }

  await t.test('odd texts are taken as they are, or refused', async (t) => {
    for (const { name, path, body, ...expected } of oddTexts) {
      const request = { method: 'POST', target: path, ...inJson(JSON.stringify(body)) }
      const heard = await exchange(origin, toBytes(request))
      t.strictSame(faultsOf(heard, expected), [], `${path}: ${name}`)
      if (expected.holds) t.match(heard.answers[0]?.body, JSON.stringify(expected.holds), name)
    }
    await stillServes(t)
  })

  await t.test('bytes that are not HTTP', async (t) => {
    for (const [name, bytes] of garbage) {
      const heard = await exchange(origin, bytes, { half: true })
      t.strictSame(faultsOf(heard, { codes: refusalOf(name) }), [], name)
    }
    const unanswered = { 'nothing at all': Buffer.alloc(0), CONNECT: tunnel }
    for (const [name, bytes] of Object.entries(unanswered)) {
      const { answers, rest, end } = await exchange(origin, bytes, { half: true })
      t.strictSame({ answers, rest, end }, { answers: [], rest: '', end: 'closed' }, name)
    }
    await stillServes(t)
  })

  await t.test('200 requests in a row on one connection', async (t) => {
    for (const caller of callers) await pipeline(t, origin, caller)
    await stillServes(t)
  })

  await t.test('requests in a row, and then no request', async (t) => {
    for (const [name, bytes] of garbage) {
      const good = toBytes({ target: '/health/ready', basics: ['Host: localhost'] })
      const row = Buffer.concat([...Array.from({ length: 20 }, () => good), bytes])
      const { answers, end, rest } = await exchange(origin, row, { half: true })
      t.match({ end, rest }, { end: 'closed', rest: '' }, name)
      t.ok(answers.length <= 21, name)
      const last = answers.at(-1)!
      t.strictSame(faultsOfAnswer(last, { codes: refusalOf(name) }), [], name)
    }
    await stillServes(t)
  })

  t.strictSame(log, [], 'nothing was logged as our own fault')
})

const refusalOf = (name: string): ErrorCode[] =>
  name.startsWith('100 KB') ? ['headers_too_large', 'bad_request'] : ['bad_request']

// Node hangs up on a tunnel that nobody listens for.
const tunnel = toBytes({ method: 'CONNECT', target: 'localhost:80' })

const alive = 'GET /api/user'

const methodsOf = (url: string) =>
  routes.filter((route) => route.url === url).map(({ method }) => method)

/** One case after another, so that a case finds the account as the last one left it. */
async function attack(t: Test, caller: Caller, cases: Case[]): Promise<void> {
  const { route, needsToken } = caller
  for (const bad of cases) {
    // The answer to GET does not wait for a body, and may cross what is still sent of one.
    const isLong = Buffer.byteLength(bad.request.body ?? '') > 65_536
    if ((bad.half || isLong) && !route.readsBody) continue
    for (const withToken of needsToken ? [false, true] : [false]) {
      const faults = await caller.faults(bad, withToken)
      t.strictSame(faults, [], `${nameOf(route)}${withToken ? ', token' : ''}: ${bad.name}`)
    }
  }
}

/** All at once: each is answered, in order, whatever became of the one before. */
async function pipeline(t: Test, origin: string, { route, tokenless }: Caller): Promise<void> {
  const { method, path: target } = route
  const basics = ['Host: localhost']
  const one = toBytes({ method, target, basics, ...(route.readsBody && inJson('{}')) })
  const other = toBytes({ target: '/none', basics })
  const last = toBytes({ target: '/none' })
  const pairs = Array.from({ length: 100 }, () => [one, other]).flat()
  const { answers, end, rest } = await exchange(origin, Buffer.concat([...pairs, last]))
  t.match(
    { end, rest, count: answers.length },
    { end: 'closed', rest: '', count: 201 },
    nameOf(route),
  )
  const expected: Expected = route.readsBody
    ? { codes: ['validation_failed', 'invalid_token'] }
    : tokenless
  const faults = answers.flatMap((answer, at) =>
    faultsOfAnswer(answer, at % 2 === 0 && at < 200 ? expected : { codes: ['not_found'] }),
  )
  t.strictSame(faults, [], nameOf(route))
}
