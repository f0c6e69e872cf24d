import t from 'tap'
import { testApp } from '../../support/app.js'
import { resolveResponse } from '../../../src/http/openapi/responses.js'
import type { OpenApi, Operation, Schema } from '../../../src/http/openapi/types.js'

const { app } = await testApp(t)
const document = (await app.inject('/openapi.json')).json<OpenApi>()
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
)
const text = JSON.stringify(document)

t.test('every operation has a name of its own, says who may call it, and lists its errors', (t) => {
  t.ok(operations.length > 80)
  const ids = operations.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, operations.length)
  for (const { name, operation } of operations) {
    t.match(operation.operationId, /^[a-z]+([A-Z0-9][A-Za-z0-9]*)*$/, name)
    t.ok(operation.security && operation.security.length > 0, `${name}: security`)
    t.ok(operation.responses['503'], `${name}: errors`)
    // Some generators write a range such as `4XX` as it is, which is no number.
    t.notOk(
      Object.keys(operation.responses).some((status) => /X/.test(status)),
      name,
    )
  }
  t.end()
})

t.test('every reference leads to a component, and the common schemas have a name', (t) => {
  for (const [, ref = ''] of text.matchAll(/"\$ref":"#\/([^"]*)"/g)) {
    const found = ref
      .split('/')
      .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], document)
    t.ok(found, ref)
  }
  const names = Object.keys(document.components.schemas ?? {})
  for (const name of ['User', 'Session', 'Error', 'OAuthError', 'LoginBody', 'LoginReply', 'Role'])
    t.ok(names.includes(name), name)
  t.end()
})

t.test('a reply that several operations have is there once', (t) => {
  const inline = operations.flatMap(({ operation }) =>
    Object.entries(operation.responses)
      .filter(([, { $ref }]) => $ref === undefined)
      .map(([status, response]) => `${status} ${JSON.stringify(response)}`),
  )
  t.equal(new Set(inline).size, inline.length)
  const shared = Object.values(document.components.responses ?? {}).map((each) =>
    JSON.stringify(each),
  )
  t.ok(shared.length > 50)
  t.end()
})

t.test('no path is there twice, and pages are HTML', (t) => {
  t.notOk(Object.keys(document.paths).some((path) => path !== '/' && path.endsWith('/')))
  t.ok(
    resolveResponse(document, document.paths['/login']?.get?.responses['200'])?.content?.[
      'text/html'
    ],
  )
  t.end()
})

t.test('a body that may be left out is not required, and an integer is an integer', (t) => {
  for (const path of ['/api/logout', '/api/refresh']) {
    t.equal(document.paths[path]?.post?.requestBody?.required, false, path)
  }
  const limit = document.paths['/api/users']?.get?.parameters?.find(({ name }) => name === 'limit')
  t.strictSame(limit?.schema, {
    type: 'integer',
    format: 'int32',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
  t.end()
})

t.test('an error reply names the codes that the route may answer', (t) => {
  const codesOf = (operation: Operation | undefined, status: string) =>
    (
      resolveResponse(document, operation?.responses[status])?.content?.['application/json']?.schema
        .allOf?.[1] as Schema
    ).properties?.code?.enum
  const register = document.paths['/api/register']?.post
  t.strictSame(codesOf(register, '409'), ['email_taken', 'username_taken', 'mobile_taken'])
  t.ok(codesOf(document.paths['/api/users']?.get, '403')?.includes('forbidden'))
  t.end()
})

t.test('every text, list and number has a limit', (t) => {
  const unlimited: Schema[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, enum: values, const: value, maxLength, maxItems, maximum } = node as Schema
    const types = [type].flat()
    const isLimited =
      values !== undefined ||
      value !== undefined ||
      ((!types.includes('string') || maxLength !== undefined) &&
        (!types.includes('array') || maxItems !== undefined) &&
        (!types.includes('integer') || maximum !== undefined))
    if (!isLimited) unlimited.push(node)
    Object.values(node).forEach(visit)
  }
  visit(document.paths)
  visit(document.components.schemas)
  t.strictSame(unlimited, [])
  t.end()
})
