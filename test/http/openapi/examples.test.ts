import t from 'tap'
import { bearer, logIn, signUp, testApp } from '../../support/app.js'
import type { OpenApi } from '../../../src/http/openapi/types.js'

const { app, sql } = await testApp(t)
const { paths } = (await app.inject('/openapi.json')).json<OpenApi>()

/** The requests that have an example, with the example. */
const examples = Object.entries(paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { requestBody }]) =>
    Object.entries(requestBody?.content ?? {})
      .filter(([, { example }]) => example !== undefined)
      .map(([type, { example }]) => ({ method, path, type, example: example as object })),
  ),
)
const exampleOf = (path: string) => examples.find((each) => each.path === path)?.example ?? {}
const post = (url: string, payload: object, headers = {}) =>
  app.inject({ method: 'POST', url, payload, headers })

t.test(
  'a client can register, log in and change the password with the examples alone',
  async (t) => {
    t.equal((await post('/api/register', exampleOf('/api/register'))).statusCode, 201)
    const login = await post('/api/login', exampleOf('/api/login'))
    t.equal(login.statusCode, 200)
    const { access_token: token } = login.json<{ access_token: string }>()
    const changed = await post('/api/user/password', exampleOf('/api/user/password'), bearer(token))
    t.equal(changed.statusCode, 200)
  },
)

t.test('no route refuses the form of its example', async (t) => {
  for (const [nth, { method, path, type, example }] of examples.entries()) {
    // One administrator for each, because some requests end every session or delete the account.
    const admin = { email: `root-${nth}@example.org`, password: 'correct horse battery' }
    const { user } = await signUp(app, admin)
    await sql(`insert into user_roles values ($1, 'admin')`, [user.id])
    const headers = { ...bearer((await logIn(app, admin)).access_token), 'content-type': type }
    const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      name === 'id' ? user.id : 'user',
    )
    const isForm = type === 'application/x-www-form-urlencoded'
    const payload = isForm
      ? new URLSearchParams(example as Record<string, string>).toString()
      : JSON.stringify(example)
    const answer = await app.inject({
      method: method.toUpperCase() as 'POST',
      url,
      headers,
      payload,
    })
    const { code = '' } = /json/.test(String(answer.headers['content-type']))
      ? answer.json<{ code?: string }>()
      : {}
    t.notOk(
      ['validation_failed', 'invalid_json', 'unsupported_media_type', 'bad_request'].includes(code),
      `${method} ${path}: ${answer.body.slice(0, 200)}`,
    )
    t.ok(answer.statusCode < 500, `${method} ${path}: ${answer.statusCode}`)
  }
  t.ok(examples.length > 25, `${examples.length} examples`)
})
