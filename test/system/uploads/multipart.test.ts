import t from 'tap'
import { gzipSync } from 'node:zlib'
import { errors, type ErrorCode } from '../../../src/errors.js'
import { ada, signUp } from '../../support/app.js'
import { exchange, toBytes } from '../../support/http/connection.js'
import { picture, pngSignature, uploader } from '../../support/pictures.js'

const png = await picture('png')
const boundary = 'the-boundary'
const file = 'Content-Disposition: form-data; name="file"; filename="a.png"'
const typed = `multipart/form-data; boundary=${boundary}`

type Bytes = string | Buffer

const join = (...pieces: Bytes[]) => Buffer.concat(pieces.map((piece) => Buffer.from(piece)))

const part = (head: string, content: Bytes = png, by = boundary) =>
  join(`--${by}\r\n${head}\r\n\r\n`, content, '\r\n')

const field = (name: string, content: Bytes = 'x') =>
  part(`Content-Disposition: form-data; name="${name}"`, content)

const form = (...parts: Buffer[]) => join(...parts, `--${boundary}--\r\n`)

const good = form(part(file))
const long = 'b'.repeat(300)
const json = 'Content-Disposition: form-data; name="a"\r\nContent-Type: application/json'
const tooLong = join(pngSignature, Buffer.alloc(5_242_880))

type Case = [name: string, type: string | undefined, body: Bytes, code: ErrorCode]

const malformed: Case[] = [
  ['no content type', undefined, good, 'unsupported_media_type'],
  ['no boundary', 'multipart/form-data', good, 'bad_request'],
  ['an empty boundary', 'multipart/form-data; boundary=', good, 'bad_request'],
  ['an empty boundary in quotes', 'multipart/form-data; boundary=""', good, 'bad_request'],
  ['another boundary', 'multipart/form-data; boundary=another', good, 'bad_request'],
  ['a boundary of 300', `multipart/form-data; boundary=${long}`, good, 'bad_request'],
  ['two boundaries', `multipart/form-data; boundary=x; boundary=${boundary}`, good, 'bad_request'],
  ['a body cut in the file', typed, good.subarray(0, 150), 'bad_request'],
  ['a body cut in a head', typed, good.subarray(0, 30), 'bad_request'],
  ['a body cut in the last boundary', typed, good.subarray(0, -10), 'bad_request'],
  ['a second part that is cut', typed, join(part(file), `--${boundary}\r\nContent`), 'bad_request'],
  ['LF alone', typed, good.toString('latin1').replaceAll('\r\n', '\n'), 'bad_request'],
  ['no body', typed, '', 'file_required'],
  ['only the first boundary', typed, `--${boundary}\r\n`, 'bad_request'],
  ['only the last boundary', typed, `--${boundary}--\r\n`, 'file_required'],
  ['no boundary in the body', typed, png, 'bad_request'],
  ['no file', typed, form(field('a')), 'file_required'],
  ['an empty file', typed, form(part(file, '')), 'file_required'],
  ['a part without a head', typed, form(part('')), 'file_required'],
  ['a part that is no form-data', typed, form(part('Content-Disposition: x')), 'file_required'],
  ['two files', typed, form(part(file), part(file)), 'body_too_large'],
  [
    'ten fields',
    typed,
    form(...Array.from('0123456789', (n) => field(n)), part(file)),
    'body_too_large',
  ],
  ['a field of 1 MB', typed, form(field('a', 'x'.repeat(1_048_576)), part(file)), 'body_too_large'],
  ['5,000 headers', typed, form(part(`${'X: y\r\n'.repeat(5_000)}${file}`)), 'file_required'],
  ['a field __proto__', typed, form(field('__proto__'), part(file)), 'bad_request'],
  ['a field constructor', typed, form(field('constructor'), part(file)), 'bad_request'],
  ['a file __proto__', typed, form(part(file.replace('file', '__proto__'))), 'bad_request'],
  ['another multipart', typed.replace('form-data', 'mixed'), good, 'unsupported_media_type'],
  ['JSON', 'application/json', '{"file":"x"}', 'unsupported_media_type'],
  ['a form without files', 'application/x-www-form-urlencoded', 'file=x', 'unsupported_media_type'],
  ['the file alone', 'image/png', png, 'unsupported_media_type'],
  ['JSON called a form', typed, '{"file":"x"}', 'bad_request'],
  ['a field that is no JSON', typed, form(part(json, '{'), part(file)), 'bad_request'],
  ['a file over 5 MB', typed, form(part(file, tooLong)), 'body_too_large'],
]

const paths = ['/api/upload-picture', '/api/upload_profile_pic', '/api/upload_readme']

type Raw = { origin: string; token: string; target?: string; type?: string | undefined }

/** A body as it is, over a connection of its own, which the service is to close. */
async function post(body: Bytes, { origin, token, target = paths[0]!, type }: Raw) {
  const headers = [`Authorization: Bearer ${token}`, ...(type ? [`Content-Type: ${type}`] : [])]
  const heard = await exchange(origin, toBytes({ method: 'POST', target, headers, body }))
  const [answer, ...more] = heard.answers
  const { code } = JSON.parse(answer?.body ?? '{}') as { code?: string }
  return { status: answer?.status, code, end: heard.end, more, rest: heard.rest }
}

t.test('a form that is malformed is refused, and the next one is served', async (t) => {
  const { origin, token, send, get, id } = await uploader(t)
  for (const [name, type, body, code] of malformed) {
    for (const target of paths) {
      const heard = await post(body, { origin, token, target, type })
      const status = errors[code][0]
      const refused = { status, code, end: 'closed', more: [], rest: '' }
      t.strictSame(heard, refused, `${target}: ${name}`)
    }
    t.equal((await get(`/api/users/${id}/picture`)).status, 404, `${name}: nothing was kept`)
    t.equal((await get(`/api/users/${id}/readme`)).status, 404, `${name}: nothing was kept`)
  }
  t.equal((await send(png)).status, 200)
  t.equal((await send('# Ada', { path: '/api/upload_readme' })).status, 200)
})

t.test('a picture in a form is a picture as it is, without any decoding', async (t) => {
  const { origin, token, send, get, id } = await uploader(t)
  const base64 = `${file}\r\nContent-Transfer-Encoding: base64`
  const refused = [
    form(part(base64, png.toString('base64'))),
    form(part(`${file}\r\nContent-Encoding: gzip`, gzipSync(png))),
    form(part(file, join('\r\n', png))),
  ]
  for (const body of refused) {
    const { status, code } = await post(body, { origin, token, type: typed })
    t.strictSame({ status, code }, { status: 422, code: 'invalid_picture' })
  }
  t.equal((await get(`/api/users/${id}/picture`)).status, 404)
  t.equal((await send(png)).status, 200)
})

t.test('a body that stops is given up when its client leaves', async (t) => {
  const { origin, token, serves, send, get, id } = await uploader(t)
  for (const length of [0, 30, 150]) {
    const headers = [`Authorization: Bearer ${token}`, `Content-Type: ${typed}`]
    const head = { target: paths[0]!, headers: [...headers, `Content-Length: ${good.length}`] }
    const body = good.subarray(0, length)
    const sent = toBytes({ method: 'POST', ...head, body, measured: false })
    const { answers, end } = await exchange(origin, sent, { half: true })
    t.equal(end, 'closed')
    t.ok(
      answers.every(({ status }) => status === 400),
      `${length} bytes`,
    )
  }
  t.ok(await serves())
  t.equal((await get(`/api/users/${id}/picture`)).status, 404)
  t.equal((await send(png)).status, 200)
})

t.test('what a file is called counts for nothing', async (t) => {
  const { origin, token, get, id } = await uploader(t)
  const names = ['../../../etc/passwd', '..\\..\\x.exe', 'a\0.png', 'a\r\nX: y', 'a%0d%0aX: y']
  for (const name of [...names, '', 'a.svg', '\u{1f480}', 'a'.repeat(10_000)]) {
    const body = form(part(file.replace('a.png', name)))
    const { status, end } = await post(body, { origin, token, type: typed })
    t.match({ status, end }, { status: 200, end: 'closed' }, JSON.stringify(name.slice(0, 30)))
    const { headers } = await get(`/api/users/${id}/picture`)
    t.equal(headers.get('content-disposition'), 'inline')
    t.equal(headers.get('x'), null)
  }
})

t.test('what stands around the one file is not kept, and breaks nothing', async (t) => {
  const { origin, token, get, id, sql } = await uploader(t)
  const bodies: Record<string, Buffer> = {
    'before it': join('canary\r\n', good),
    'behind it': join(good, 'canary'),
    'much behind it': join(good, 'canary'.repeat(50_000)),
    'five fields': form(...Array.from('01234', (n) => field(n, 'canary')), part(file)),
  }
  for (const [name, body] of Object.entries(bodies)) {
    t.equal((await post(body, { origin, token, type: typed })).status, 200, name)
    t.notMatch((await get(`/api/users/${id}/picture`)).bytes.toString('latin1'), /canary/, name)
  }
  t.strictSame(await sql('select count(*)::int from pictures'), [{ count: 1 }])
})

t.test('RATE_LIMIT_UPLOADS is what one user may send, whatever it is', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_UPLOADS: '2/1h' }
  const { app, send, get, id } = await uploader(t, env)
  const other = await signUp(app, { ...ada, email: 'grace@example.org' })
  const first = await send(png)
  t.equal(first.status, 200)
  t.equal(first.headers.get('ratelimit-remaining'), '1')
  const second = await send('no picture', { path: paths[1]! })
  t.equal(second.status, 422, 'what is refused counts too')
  for (const path of paths) {
    const { status, headers, body } = await send(png, { path })
    t.match({ status, code: body.code }, { status: 429, code: 'rate_limited' }, path)
    const wait = Number(headers.get('retry-after'))
    t.ok(wait > 3_500 && wait <= 3_600, `${wait} seconds`)
  }
  t.equal((await get(`/api/users/${id}/picture`)).status, 200, 'to look costs nothing')
  t.equal((await send(png, { token: other.access_token })).status, 200, 'nobody else waits')
})
