import t, { type Test } from 'tap'
import { listeningApp, signUp } from '../../support/app.js'
import { exchange, toBytes, type Answer, type Bytes } from '../../support/http/connection.js'
import { leaksIn } from '../../support/http/verdict.js'
import { addClient, basic, type ClientCredentials } from '../../support/oauth.js'

const form = 'Content-Type: application/x-www-form-urlencoded'
const type = (value: string) => [`Content-Type: ${value}`]

type Bad = [name: string, body: Bytes, headers?: string[], status?: number]

/** Malformed bodies. `good` is a valid body, and `name` its parameter. */
const malformed = (good: string, name: string): Bad[] => [
  ['an empty body', ''],
  ['an empty body without a type', '', []],
  ['only ampersands', '&&&'],
  ['only an equals sign', '='],
  ['the parameter without a value', `${name}=`],
  ['the parameter without an equals sign', name],
  ['the parameter twice', `${good}&${good}`],
  ['the parameter twice, once without a value', `${good}&${name}=`],
  [
    'the parameter twice, once escaped',
    `${good}&%${name.charCodeAt(0).toString(16)}${name.slice(1)}=x`,
  ],
  ['another parameter twice', `${good}&foo=1&foo=1`],
  ['a hint twice', `${good}&token_type_hint=a&token_type_hint=b`],
  ['a client_id twice', `${good}&client_id=a&client_id=a`],
  ['a client_secret twice', `${good}&client_secret=a&client_secret=b`],
  ['a list', `${name}[]=x`],
  ['a list of one', `${name}[0]=x`],
  ['an object', `${name}[a]=x`],
  ['in capitals', good.replace(name, name.toUpperCase())],
  ['behind a question mark', `?${good}`],
  ['__proto__', `__proto__=x&__proto__=y&${good}`],
  ['a NUL in a value', `${good}%00`],
  ['a NUL in another value', `${good}&foo=%00`],
  ['a NUL in a name', `${good}&f%00o=1`],
  ['a raw NUL', `${good}\0`],
  ['a percent sign alone', `${good}%`],
  ['half an escape', `${good}%2`],
  ['an invalid escape', `${good}%zz`],
  ['escaped bytes that are not UTF-8', `${good}%ff%fe`],
  ['an overlong slash', `${good}%c0%af`],
  ['a surrogate', `${good}%ed%a0%80`],
  ['raw bytes that are not UTF-8', Buffer.concat([Buffer.from(good), Buffer.from([0xff])])],
  ['a NUL in client_id', `${good}&client_id=a%00&client_secret=x`],
  ['JSON', JSON.stringify({ [name]: 'x' }), type('application/json')],
  ['invalid JSON', '{', type('application/json')],
  ['JSON as a form', JSON.stringify({ [name]: 'x' })],
  ['plain text', good, type('text/plain')],
  ['multipart', '--x\r\n\r\nx\r\n--x--\r\n', type('multipart/form-data; boundary=x')],
  ['XML', '<a/>', type('application/xml')],
  ['no type', good, []],
  ['an invalid type', good, type('x')],
  ['another charset', good, type('application/x-www-form-urlencoded; charset=utf-16')],
  ['compressed', good, [form, 'Content-Encoding: gzip']],
  ['one byte over 16 KB', `${good}&a=`.padEnd(16_385, 'a'), [form], 413],
  ['1 MB', `${good}&a=`.padEnd(1_048_576, 'a'), [form], 413],
  ['1 MB of parameters', `${good}${'&a=b'.repeat(262_144)}`, [form], 413],
]

/** Checks an error reply: the members and characters of RFC 6749 §5.2, and no internal details. */
function isOAuthError(t: Test, { status, headers, body }: Answer, wanted: number, name: string) {
  t.equal(status, wanted, `${name}: ${body}`)
  const error = JSON.parse(body) as { error: string; error_description: string }
  t.strictSame(Object.keys(error), ['error', 'error_description'], name)
  t.equal(error.error, 'invalid_request', name)
  t.match(error.error_description, /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, name)
  t.strictSame(leaksIn(body), [], name)
  t.equal(headers['cache-control'], 'no-store', name)
  t.equal(headers['content-type'], 'application/json; charset=utf-8', name)
}

const endpoints = {
  token: ['grant_type=client_credentials', 'grant_type'],
  introspect: ['token=x', 'token'],
  revoke: ['token=x', 'token'],
} as const

const authorization = (client: ClientCredentials) => `Authorization: ${basic(client).authorization}`

t.test('a malformed request gets invalid_request', async (t) => {
  const log: string[] = []
  const logTo = { write: (line: string) => void log.push(line) }
  const service = await listeningApp(t, { env: { LOG_LEVEL: 'error' }, logTo })
  const own = authorization(await addClient(service))

  for (const [endpoint, [good, name]] of Object.entries(endpoints)) {
    const send = async (body: Bytes, headers: string[]) => {
      const request = { method: 'POST', target: `/oauth/${endpoint}`, headers, body }
      const { answers, end } = await exchange(service.origin, toBytes(request))
      t.equal(end, 'closed')
      t.equal(answers.length, 1)
      return answers[0]!
    }
    for (const [what, body, headers = [form], status = 400] of malformed(good, name)) {
      const answer = await send(body, [own, ...headers])
      isOAuthError(t, answer, status, `${endpoint}: ${what}`)
    }
    // These are valid: RFC 6749 §3.2 says to ignore unknown parameters.
    const odd: [name: string, body: string, headers?: string[]][] = [
      ['a charset', good, [`${form}; charset=UTF-8`]],
      ['capitals', good, [form.toUpperCase()]],
      ['unknown parameters', `${good}&foo=1&resource=x&__proto__=y&constructor=z`],
      ['parameters without a value', `${good}&token_type_hint=&client_id=&client_secret=&scope=`],
      ['ampersands', `&&${good}&&`],
      ['the name escaped', good.replace('t', '%74')],
    ]
    for (const [what, body, headers = [form]] of odd) {
      t.equal((await send(body, [own, ...headers])).status, 200, `${endpoint}: ${what}`)
    }
  }
  t.strictSame(log, [], 'no internal error is logged')
})

t.test('error_description has only characters that RFC 6749 allows', async (t) => {
  const { origin } = await listeningApp(t)
  const names = ['%22', '%5C', '%0d%0aX:y', 'ü', '%3Cscript%3E', 'a'.repeat(5_000)]
  for (const name of names) {
    const body = `token=x&${name}=1&${name}=2`
    const request = { method: 'POST', target: '/oauth/revoke', headers: [form], body }
    const { answers } = await exchange(origin, toBytes(request))
    isOAuthError(t, answers[0]!, 400, name)
    t.ok((answers[0]?.body.length ?? 0) < 300, name)
  }
})

t.test('the endpoints accept only POST', async (t) => {
  const { app } = await listeningApp(t)
  const { access_token } = await signUp(app)
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD'] as const) {
    const url = `/oauth/revoke?token=${access_token}`
    const answer = await app.inject({ method, url })
    t.match(answer, { statusCode: 405, headers: { allow: 'OPTIONS, POST' } }, method)
  }
  const query = await app.inject({ method: 'POST', url: `/oauth/revoke?token=${access_token}` })
  t.equal(query.statusCode, 400, 'a token in the query is not accepted')
})
