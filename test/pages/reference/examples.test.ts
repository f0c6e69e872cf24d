import { execFileSync } from 'node:child_process'
import t from 'tap'
import { validatorCompiler } from '../../../src/http/compilers.js'
import type { Document, Operation } from '../../../src/pages/reference/document.js'
import { examplesOf } from '../../../src/pages/reference/examples.js'
import { sampleOf } from '../../../src/http/openapi/samples.js'
import { testApp } from '../../support/app.js'

const json = (schema: object) => ({ content: { 'application/json': { schema } } })
const operationOf = (more: Partial<Operation>): Operation => ({ responses: {}, ...more })
const text = { type: 'string' }

const table: [name: string, args: [string, string, Operation], httpie: string, curl: string][] = [
  [
    'a public GET',
    ['GET', '/health/live', operationOf({})],
    'http http://a.example/health/live',
    'curl http://a.example/health/live',
  ],
  [
    'a token and a parameter of the path',
    ['DELETE', '/api/roles/{name}', operationOf({ security: [{ bearer: [] }] })],
    'http -A bearer -a "$TOKEN" DELETE http://a.example/api/roles/NAME',
    'curl -X DELETE -H "Authorization: Bearer $TOKEN" http://a.example/api/roles/NAME',
  ],
  [
    'a body',
    [
      'POST',
      '/api/things',
      operationOf({
        requestBody: json({
          required: ['password', 'on'],
          properties: { email: text, password: text, on: { type: 'boolean' }, more: text },
        }),
      }),
    ],
    "http http://a.example/api/things email=ada@example.org password='correct horse battery' on:=true",
    `curl http://a.example/api/things --json '{"email":"ada@example.org","password":"correct horse battery","on":true}'`,
  ],
  [
    'a form of a client',
    [
      'POST',
      '/oauth/token',
      operationOf({
        requestBody: {
          content: {
            'application/x-www-form-urlencoded': {
              schema: { required: ['grant_type'], properties: { grant_type: text } },
            },
          },
        },
      }),
    ],
    'http -a "$CLIENT:$SECRET" --form http://a.example/oauth/token grant_type=client_credentials',
    'curl -u "$CLIENT:$SECRET" http://a.example/oauth/token -d grant_type=client_credentials',
  ],
  [
    'a file',
    [
      'POST',
      '/api/upload',
      operationOf({
        requestBody: {
          content: {
            'multipart/form-data': {
              schema: { required: ['file'], properties: { file: { ...text, format: 'binary' } } },
            },
          },
        },
      }),
    ],
    'http --multipart http://a.example/api/upload file@FILE',
    'curl http://a.example/api/upload -F file=@FILE',
  ],
]

for (const [name, args, httpie, curl] of table) {
  t.test(`the example commands for ${name}`, (t) => {
    t.strictSame(examplesOf('http://a.example', ...args), { httpie, curl })
    t.end()
  })
}

t.test('a shell parses the quoted words of an example correctly', (t) => {
  const schema = { required: ["it's"], properties: { "it's": { enum: ['$HOME `id`; "x" \\'] } } }
  const operation = operationOf({ requestBody: json(schema) })
  const { curl } = examplesOf('http://a.example/a b', 'POST', '/x', operation) ?? { curl: '' }
  const words = execFileSync('sh', ['-c', curl.replace('curl', "printf '%s\\n'")], {
    encoding: 'utf8',
  })
  const body = JSON.stringify({ "it's": '$HOME `id`; "x" \\' })
  t.equal(words, `http://a.example/a b/x\n--json\n${body}\n`)
  t.end()
})

t.test('pages have no example', (t) => {
  t.equal(examplesOf('', 'GET', '/login', operationOf({ tags: ['pages'] })), undefined)
  t.end()
})

t.test('the example of each operation matches its schema', async (t) => {
  const { app } = await testApp(t)
  await app.ready()
  const { paths } = app.swagger() as unknown as Document
  let count = 0
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      for (const [type, { schema }] of Object.entries(requestBody?.content ?? {})) {
        const sample = sampleOf(method.toUpperCase(), schema)
        if (!sample || type === 'multipart/form-data') continue
        const validate = validatorCompiler({ schema, method, url: path }) as (
          data: unknown,
        ) => boolean
        t.equal(validate(sample), true, `${method} ${path}: ${JSON.stringify(sample)}`)
        count += 1
      }
    }
  }
  t.ok(count > 20, `${count} bodies`)
})
