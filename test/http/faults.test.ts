import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import type { AppError } from '../../src/errors.js'
import { RoleName } from '../../src/features/roles/schemas.js'
import { LogoutBody } from '../../src/features/sessions/schemas.js'
import { changes, ProfileBody } from '../../src/features/users/schemas.js'
import { validatorCompiler } from '../../src/http/compilers.js'
import { matching, ruleOf } from '../../src/http/patterns.js'
import { Id, Limit } from '../../src/http/replies.js'
import { sentenceOf } from '../../src/http/sentences.js'
import { ada, testApp } from '../support/app.js'

/** The faults of a part of a request, as a client gets them. */
function faultsOf(schema: TSchema, data: unknown, httpPart = 'body'): [string, string][] {
  const validate = validatorCompiler({ schema, method: 'POST', url: '/', httpPart })
  const result = validate(data) as true | { error: AppError }
  const { fields = [] } = result === true ? {} : result.error
  return fields.map((fault) => [fault.field, sentenceOf(fault)])
}

const closed = (properties: Record<string, TSchema>) =>
  Type.Object(properties, { additionalProperties: false })

t.test('a fault is a sentence about the field, made from its schema', async (t) => {
  const text = Type.String({ minLength: 2, maxLength: 1_024 })
  const size = Type.String({ enum: ['large', 'small'] })
  const roles = Type.Array(RoleName, { maxItems: 2 })
  const code = Type.String(matching('^[0-9]{8}$', 'must be eight digits'))
  const schema = Type.Partial(
    closed({
      ...{ name: changes.name, email: text, mobile: text, old_password: text, id: Id() },
      ...{ everywhere: Type.Boolean(), keep: Type.Literal('current'), size, roles, code },
    }),
  )
  const long = 'a'.repeat(1_025)
  const table: [data: object, field: string, sentence: string][] = [
    [{ is_admin: 1 }, 'is_admin', '"is_admin" is not a known field.'],
    [{ 'a"b': 1 }, 'a"b', '"a\\"b" is not a known field.'],
    [{ '': 1 }, 'body', '"" is not a known field.'],
    [{ old_password: 1 }, 'old_password', 'Old password must be text.'],
    [{ mobile: null }, 'mobile', 'Mobile number must be text.'],
    [{ mobile: 'a' }, 'mobile', 'Mobile number must have at least 2 characters.'],
    [{ email: long }, 'email', 'E-mail must have at most 1,024 characters.'],
    [{ name: 1 }, 'name', 'Name must be text or null.'],
    [{ name: '' }, 'name', 'Name must not be empty.'],
    [{ name: 'a\nb' }, 'name', 'Name must be one line without control characters.'],
    [{ id: '1' }, 'id', 'Id must be an id such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd.'],
    [{ code: '1' }, 'code', 'Code must be eight digits.'],
    [{ size: 'huge' }, 'size', 'Size must be large or small.'],
    [{ keep: 'all' }, 'keep', 'Keep must be current.'],
    [{ everywhere: 'no' }, 'everywhere', 'Everywhere must be true or false.'],
    [{ roles: 'admin' }, 'roles', 'Roles must be a list.'],
    [{ roles: ['a', 'b', 'c'] }, 'roles', 'Roles must have at most 2 entries.'],
    [{ roles: ['a', 5] }, 'roles.1', 'Entry 2 of roles must be text.'],
  ]
  for (const [data, field, sentence] of table) {
    t.strictSame(faultsOf(schema, data), [[field, sentence]])
  }
  const needed = closed({ new_password: text })
  t.strictSame(faultsOf(needed, {}), [['new_password', 'New password is required.']])
  t.strictSame(faultsOf(needed, null), [['body', 'The body must be an object.']])
  t.strictSame(faultsOf(ProfileBody, {}), [['body', 'The body must have at least 1 field.']])
  const inQuery = (data: object) => faultsOf(closed({ limit: Limit }), data, 'querystring')
  t.strictSame(inQuery({ limit: '201' }), [['limit', 'Limit must be between 1 and 200.']])
  t.strictSame(inQuery({ limit: ['1', '2'] }), [['limit', 'Limit must not be repeated.']])
})

t.test('every faulty field is named once, with its first fault', async (t) => {
  const schema = closed({ name: changes.name, email: Type.String(), limit: Limit })
  t.strictSame(faultsOf(schema, { name: '\u0007'.repeat(201), limit: 5, x: 1 }), [
    ['email', 'E-mail is required.'],
    ['x', '"x" is not a known field.'],
    ['name', 'Name must have at most 200 characters.'],
    ['limit', 'Limit must be text.'],
  ])
})

t.test('a body that may be absent has only the faults of its fields', async (t) => {
  t.strictSame(faultsOf(LogoutBody, null), [])
  t.strictSame(faultsOf(LogoutBody, { everywhere: 1, x: 1 }), [
    ['x', '"x" is not a known field.'],
    ['everywhere', 'Everywhere must be true or false.'],
  ])
})

t.test('a reply names at most 16 faults, each by at most 100 characters', async (t) => {
  const { app } = await testApp(t)
  const many = Array.from({ length: 1_500 }, (_, at) => [`f${String(at)}`, 1])
  const long = Array.from({ length: 13 }, (_, at) => [`${String(at)}-${'\u0001'.repeat(190)}`, 1])
  for (const fields of [many, long]) {
    const payload = { ...ada, ...(Object.fromEntries(fields) as Record<string, number>) }
    const answer = await app.inject({ method: 'POST', url: '/api/login', payload })
    const { errors } = answer.json<{ errors: { field: string; message: string }[] }>()
    t.equal(errors.length, Math.min(16, fields.length))
    t.ok(errors.every(({ field }) => field.length <= 100))
    t.ok(answer.rawPayload.length < 32_768, String(answer.rawPayload.length))
  }
})

/** Every schema of a value that a client sends. */
function* schemasIn(node: unknown): Generator<Record<string, unknown>> {
  if (typeof node !== 'object' || node === null) return
  // A field may have the name "type".
  const hasType = 'type' in node && (typeof node.type === 'string' || Array.isArray(node.type))
  if (hasType || 'enum' in node || 'const' in node) yield { ...node }
  for (const child of Object.values(node)) yield* schemasIn(child)
}

t.test('every rule that a route has for its fields has words', async (t) => {
  const { app } = await testApp(t)
  await app.ready()
  const { paths = {} } = app.swagger()
  const operations = Object.values(paths).flatMap((path) => Object.values<object>(path ?? {}))
  const inputs = operations.map((operation) => ({ ...operation, responses: undefined }))
  // Multipart has a reader of its own.
  const schemas = [...schemasIn(inputs)].filter(({ format }) => format !== 'binary')
  t.ok(schemas.length > 100)
  const patterns = schemas.map(({ pattern = '' }) => pattern as string).filter(Boolean)
  t.strictSame(
    patterns.filter((pattern) => !ruleOf(pattern)),
    [],
  )
  const spoken = ['type', 'enum', 'const', 'pattern', 'required', 'additionalProperties']
  const limits = ['minLength', 'maxLength', 'maxItems', 'minProperties', 'minimum', 'maximum']
  const shape = ['properties', 'items', 'default', 'title', 'description', 'x-integer']
  const known = new Set([...spoken, ...limits, ...shape])
  t.strictSame(
    schemas.flatMap(Object.keys).filter((keyword) => !known.has(keyword)),
    [],
  )
})
