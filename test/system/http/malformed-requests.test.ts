import t, { type Test } from 'tap'
import type { ErrorCode } from '../../../src/errors.js'
import { listeningApp } from '../../support/app.js'
import { accessOf, attack, pipeline, representatives } from '../../support/http/attack.js'
import { bodies } from '../../support/http/bodies.js'
import { createCaller, inJson, type Caller, type Case } from '../../support/http/caller.js'
import { exchange, toBytes } from '../../support/http/connection.js'
import { contentTypes, contentTypesOfInvalid } from '../../support/http/content-types.js'
import { oddTexts } from '../../support/http/odd-texts.js'
import { fields, identifiers } from '../../support/http/fields.js'
import { framing, garbage } from '../../support/http/framing.js'
import { heads, known, methods, parameters, targets } from '../../support/http/heads.js'
import { faultsOfPage, forms, formsOf, links, markup } from '../../support/http/pages.js'
import { queries } from '../../support/http/queries.js'
import { collectRoutes, nameOf } from '../../support/http/route-table.js'
import { faultsOf, faultsOfAnswer, leaksIn } from '../../support/http/verdict.js'

const routes = collectRoutes()

t.test('no malformed request is answered by more or less than an error', async (t) => {
  const log: string[] = []
  const logTo = { write: (line: string) => void log.push(line) }
  // A good body comes many times: that it holds a spent refresh token is not what it is refused for.
  const env = { LOG_LEVEL: 'error', REFRESH_GRACE: '1h' }
  const service = await listeningApp(t, { env, logTo })
  const callers: Awaited<ReturnType<typeof createCaller>>[] = []
  for (const route of routes.filter(({ speaks }) => speaks === 'json')) {
    callers.push(await createCaller(service, route))
  }
  const some = representatives(callers)
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
    for (const kind of ['public', 'token', 'admin']) {
      t.ok(
        some.some((caller) => accessOf(caller) === kind && caller.route.body),
        kind,
      )
    }
  })

  const onEach: Record<string, (caller: Caller) => Case[]> = {
    bodies: ({ sample }) => bodies(sample()),
    fields: ({ route, sample }) => (route.body ? fields(route.body, sample()) : []),
    identifiers: ({ route, sample }) => (route.body ? identifiers(route.body, sample()) : []),
    parameters: ({ route, path }) => parameters(route.url, path),
    queries: ({ route, path }) => (route.query ? queries(path, route.query) : []),
  }
  const onSome: Record<string, (caller: Caller) => Case[]> = {
    'content types': ({ route, sample }) => [
      ...contentTypes(JSON.stringify(sample())),
      ...(route.body
        ? contentTypesOfInvalid(JSON.stringify({ ...sample(), role: 'admin' }), 'role')
        : []),
    ],
    heads: () => heads(),
    targets: ({ route, path }) => targets(path, route.query),
    methods: ({ route }) => methods(methodsOf(route.url)),
    'framing of bodies': ({ sample }) => framing(JSON.stringify(sample())),
  }
  for (const [name, casesOf] of Object.entries({ ...onEach, ...onSome })) {
    await t.test(name, async (t) => {
      const attackers = name in onEach ? callers : some
      await Promise.all(attackers.map((caller) => attack(t, caller, casesOf(caller))))
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

  await t.test('forms and links that no page takes', async (t) => {
    for (const { url, method } of routes.filter(({ speaks }) => speaks === 'link')) {
      const cases = method === 'POST' ? formsOf(url).map((bad) => ({ ...bad, query: '' })) : links
      for (const bad of cases) {
        for (const verb of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
          const request = { ...bad.request, method: verb, target: url + bad.query }
          const heard = await exchange(origin, toBytes(request))
          t.strictSame(faultsOfPage(heard, bad, verb), [], `${verb} ${url}: ${bad.name}`)
        }
      }
    }
    await stillServes(t)
  })

  await t.test('what other languages do not know gets no 5xx, and tells nothing', async (t) => {
    const body = JSON.stringify({ username: 'ada', mobile: '+441632960960', password: 'x' })
    const cases = [
      ...[...bodies({ username: 'ada' }), ...contentTypes(body)].map((bad) => bad.request),
      ...forms.map((bad) => bad.request),
    ]
    for (const { url, path, method } of routes.filter(({ speaks }) => isOther(speaks))) {
      const faults: string[] = []
      for (const bad of method === 'GET' ? [{}] : cases) {
        const { answers } = await exchange(origin, toBytes({ ...bad, method, target: path }))
        const [answer] = answers
        if (answer && answer.status >= 500) faults.push(answer.head)
        // The reference describes the API, with code in many languages. The script is code, and a page names it.
        const isCode = ['/docs', '/passkeys.js'].includes(url)
        const text = isCode ? '' : answer?.body.replaceAll('"/passkeys.js"', '""')
        if (answer) faults.push(...leaksIn(`${answer.head}${text}`))
      }
      t.strictSame(faults, [], `${method} ${url}`)
    }
    await stillServes(t)
  })

  await t.test('a token that is no link of ours is not shown', async (t) => {
    for (const { url, method } of routes.filter(({ speaks }) => speaks === 'link')) {
      for (const text of markup) {
        const token = `token=${encodeURIComponent(text)}`
        const headers = ['Content-Type: application/x-www-form-urlencoded']
        const isForm = method === 'POST'
        const request = isForm
          ? { method, target: url, headers, body: token }
          : { method, target: `${url}?${token}` }
        const heard = await exchange(origin, toBytes(request))
        const status = isForm ? 400 : 200
        const faults = faultsOfPage(heard, { name: text, request, status }, method)
        t.strictSame(faults, [], `${method} ${url}: ${text}`)
        const { body = '' } = heard.answers[0] ?? {}
        t.notOk(body.includes(text), `${method} ${url}: ${text}`)
      }
    }
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
    for (const caller of some) await pipeline(t, origin, caller)
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

const isOther = (language: string) => language !== 'json' && language !== 'link'

const refusalOf = (name: string): ErrorCode[] =>
  name.startsWith('100 KB') ? ['headers_too_large', 'bad_request'] : ['bad_request']

// Node hangs up on a tunnel that nobody listens for.
const tunnel = toBytes({ method: 'CONNECT', target: 'localhost:80' })

const alive = 'GET /api/user'

const methodsOf = (url: string) =>
  routes
    .filter((route) => route.url === url)
    .flatMap(({ method, isForAny }) => (isForAny ? known : [method, 'OPTIONS', 'HEAD']))
    .filter((method, _at, all) => method !== 'HEAD' || all.includes('GET'))
