import t, { type Test } from 'tap'
import { createAttest } from '../../../packages/client/src/astro/attest.js'
import { createCookies } from '../../../packages/client/src/astro/cookies.js'
import { createVisitorFetch } from '../../../packages/client/src/astro/visitor-fetch.js'
import { createClient } from '../../../packages/client/src/client.js'
import { bearer, listeningApp, signUp } from '../../support/app.js'
import { addSite } from '../../support/oauth.js'
import { picture } from '../../support/pictures.js'

const visitor = '203.0.113.7'
const agent = 'Browser é'
const path = '/api/upload_readme'
const boundary = 'the-boundary'
const type = `multipart/form-data; boundary=${boundary}`
const form = (text: string) =>
  Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="a"; filename="a.md"\r\n\r\n${text}\r\n--${boundary}--\r\n`,
  )

/** A service that logs addresses, a user, and the requests of a site for a visitor. */
async function startSite(t: Test) {
  const lines: string[] = []
  const service = await listeningApp(t, {
    env: { TRUST_PROXY: 'none', LOG_LEVEL: 'debug' },
    logTo: { write: (line) => void lines.push(line) },
  })
  const { access_token, user } = await signUp(service.app)
  const url = service.origin
  const attest = createAttest(await addSite(service), url)
  const sent: RequestInit[] = []
  const fetchFor = createVisitorFetch({
    ...{ url, attest, addressOf: () => visitor },
    send: (target, init) => (sent.push(init), fetch(target, init)),
  })
  const cookies = { get: () => undefined, set: () => undefined, delete: () => undefined }
  const context = { cookies, url: new URL('http://site') }
  const request = new Request('http://site', { headers: { 'user-agent': agent } })
  const siteFetch = fetchFor(request, createCookies(context, { isSecure: false }, Date.now))
  const gatehouse = createClient({
    ...{ url, fetch: siteFetch, cookies: false },
    tokens: { access_token, expires_at: Date.now() + 900_000 },
  })
  /** The addresses of the requests to a path, as the log has them. */
  const addresses = (path: string) =>
    lines
      .map((line) => JSON.parse(line) as { req?: { path: string; ip: string } })
      .flatMap(({ req }) => (req?.path === path ? [req.ip] : []))
  const readme = async () => (await fetch(`${url}/api/users/${user.id}/readme`)).status
  return { ...service, url, attest, access_token, gatehouse, sent, addresses, readme }
}

t.test('a site attests its uploads', async (t) => {
  const { gatehouse, addresses } = await startSite(t)
  const png = new Uint8Array(await picture('png', { width: 800, height: 600 }))
  t.match(await gatehouse.uploadPicture(new Blob([png])), { picture_url: /picture/ })
  t.strictSame(addresses('/api/upload_profile_pic'), [visitor])
  t.match(await gatehouse.uploadReadme(new Blob(['# Ada é'])), { markdown: '# Ada é' })
  t.strictSame(addresses(path), [visitor])
})

t.test('a streamed body is attested, and one beyond the limit is not sent', async (t) => {
  const { gatehouse, addresses, url, sent } = await startSite(t)
  let isCancelled = false
  const post = (bytes: () => Buffer | undefined) => {
    const body = new ReadableStream({
      pull(controller) {
        const chunk = bytes()
        if (chunk) controller.enqueue(new Uint8Array(chunk))
        else controller.close()
      },
      cancel: () => void (isCancelled = true),
    })
    const init = { method: 'POST', headers: { 'content-type': type }, body, duplex: 'half' }
    return gatehouse.fetch(url + path, init as RequestInit)
  }
  const chunks = [...form('# Streamed')].map((byte) => Buffer.from([byte]))
  t.equal((await post(() => chunks.shift())).status, 200)
  t.strictSame(addresses(path), [visitor])

  sent.length = 0
  const endless = await post(() => Buffer.alloc(1_048_576))
  t.equal(endless.status, 413)
  t.match(await endless.json(), { code: 'body_too_large' })
  t.ok(isCancelled)
  const large = new Blob([new Uint8Array(6_300_000)])
  await t.rejects(gatehouse.uploadPicture(large), { code: 'body_too_large', status: 413 })
  t.strictSame(sent, [])
})

t.test('a form with files that is not the signed one is refused', async (t) => {
  const { attest, url, access_token, readme } = await startSite(t)
  const signed = form('# Signed')
  /** One request with the signature of another body. */
  async function post(body: Buffer | ReadableStream, target = path) {
    const headers = new Headers({
      ...bearer(access_token),
      'user-agent': agent,
      'content-type': type,
    })
    attest({ target: url + target, method: 'POST', body: signed, headers, address: visitor })
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
    const answer = await fetch(url + target, init)
    const { code = '' } = (await answer.json()) as { code?: string }
    return { status: answer.status, code }
  }
  const refused = { status: 400, code: 'invalid_attestation' }
  t.same(await post(form('# Forged')), refused)
  t.same(await post(Buffer.concat([signed, Buffer.from('more')])), refused, 'with an epilogue')
  t.same(await post(Buffer.concat([signed, Buffer.alloc(200_000)])), refused, 'with a long one')
  t.same(await post(Buffer.concat([Buffer.from('\r\n'), signed])), refused, 'with a preamble')
  t.same(await post(signed.subarray(0, -4)), { status: 400, code: 'bad_request' }, 'cut')
  t.same(await post(signed, '/api/login'), { status: 415, code: 'unsupported_media_type' })
  t.equal(await readme(), 404, 'nothing was kept')
  const chunked = () =>
    new ReadableStream({
      start(controller) {
        for (const byte of signed) controller.enqueue(new Uint8Array([byte]))
        controller.close()
      },
    })
  t.match(await post(chunked()), { status: 200 })
  t.equal(await readme(), 200)
})
