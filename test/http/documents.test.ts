import t from 'tap'
import { countDocuments, testApp } from '../support/app.js'

const documents = {
  '/openapi.json': 'public, max-age=300',
  '/.well-known/jwks.json': 'public, max-age=300',
  '/.well-known/oauth-authorization-server': 'public, max-age=300',
}

t.test(
  'a public document is the same bytes each time, and 304 to a client that has it',
  async (t) => {
    const { app } = await testApp(t)
    for (const [url, cacheControl] of Object.entries(documents)) {
      const [first, second] = [await app.inject({ url }), await app.inject({ url })]
      const etag = String(first.headers.etag)
      t.match(etag, /^"[\w-]{43}"$/, url)
      t.equal(first.headers['content-type'], 'application/json; charset=utf-8')
      t.equal(first.headers['cache-control'], cacheControl, url)
      t.equal(second.headers.etag, etag)
      t.equal(second.body, first.body)
      t.equal(first.body, JSON.stringify(JSON.parse(first.body)))
      for (const sent of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
        const answer = await app.inject({ url, headers: { 'if-none-match': sent } })
        t.match(answer, {
          statusCode: 304,
          body: '',
          headers: { etag, 'cache-control': cacheControl },
        })
      }
      for (const sent of ['"x"', etag.slice(1, -1), '', 'W/*']) {
        const answer = await app.inject({ url, headers: { 'if-none-match': sent } })
        t.equal(answer.statusCode, 200, `${url} ${sent}`)
      }
    }
  },
)

t.test('the OpenAPI document is made once', async (t) => {
  const { app } = await testApp(t)
  const made = countDocuments(app)
  await Promise.all(Array.from({ length: 20 }, () => app.inject('/openapi.json')))
  t.ok(made() <= 1)
})
