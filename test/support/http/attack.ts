import type { Test } from 'tap'
import { inJson, type Caller, type Case } from './caller.js'
import { exchange, toBytes } from './connection.js'
import { nameOf } from './route-table.js'
import { faultsOfAnswer, type Expected } from './verdict.js'

/** These go through everything; of the others, one of each kind does. */
const thorough = [
  ...['GET /health/live', 'GET /health/ready', 'GET /.well-known/jwks.json', 'GET /openapi.json'],
  ...['POST /api/register', 'POST /api/login', 'POST /api/refresh', 'POST /api/logout'],
  ...['GET /api/user', 'GET /'],
]

export const accessOf = ({ isAdmin, needsToken }: Caller) =>
  isAdmin ? 'admin' : needsToken ? 'token' : 'public'

/** The thorough ones, and of the others the first of each method and access, with a body and without. */
export function representatives(callers: Caller[]): Caller[] {
  const kinds = new Set<string>()
  return callers.filter((caller) => {
    const { route } = caller
    const kind = [route.method, accessOf(caller), route.body !== undefined].join()
    const isFirst = !kinds.has(kind)
    kinds.add(kind)
    return isFirst || thorough.includes(nameOf(route))
  })
}

/** One case after another, so that a case finds the account as the last one left it. */
export async function attack(t: Test, caller: Caller, cases: Case[]): Promise<void> {
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
export async function pipeline(t: Test, origin: string, caller: Caller): Promise<void> {
  const { route, tokenless, path: target } = caller
  const { method } = route
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
