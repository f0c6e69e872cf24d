import t from 'tap'
import { pathOf, picture, uploader } from '../../support/pictures.js'

const sizes = ['large', 'small']
const forever = 'public, max-age=31536000, immutable'
const whileFresh = 'public, no-cache'

t.test('what a client has already is not sent again', async (t) => {
  const { send, get } = await uploader(t)
  const path = pathOf(await send(await picture('png')))
  const tags: string[] = []
  for (const size of sizes) {
    const url = `${path}&size=${size}`
    const etag = (await get(url)).headers.get('etag') ?? ''
    t.match(etag, /^"[^"]+"$/)
    tags.push(etag)
    for (const known of [etag, `W/${etag}`, `"another", ${etag}`]) {
      const { status, bytes, headers } = await get(url, { 'if-none-match': known })
      t.strictSame([status, bytes.length, headers.get('etag')], [304, 0, etag], known)
      t.equal(headers.get('cache-control'), forever)
    }
    for (const other of ['"another"', etag.slice(1, -1), '', etag.replace('.', '')]) {
      t.equal((await get(url, { 'if-none-match': other })).status, 200, other)
    }
  }
  t.not(tags[0], tags[1], 'one size is not the other')
  const crossed = await get(`${path}&size=small`, { 'if-none-match': tags[0]! })
  t.equal(crossed.status, 200)
  await send(await picture('png', { width: 20 }))
  for (const [nth, size] of sizes.entries()) {
    const { status } = await get(`${path}&size=${size}`, { 'if-none-match': tags[nth]! })
    t.equal(status, 200, `${size}: another picture is another answer`)
  }
})

t.test('only the URL of the present version may be kept for good', async (t) => {
  const { send, get, id } = await uploader(t)
  const bare = `/api/users/${id}/picture`
  const livesOf = async (path: string) => (await get(path)).headers.get('cache-control')
  const first = pathOf(await send(await picture('png')))
  t.equal(await livesOf(first), forever)
  t.equal(await livesOf(`${first}&size=small`), forever)
  for (const path of [bare, `${bare}?size=small`, `${bare}?v=${'A'.repeat(43)}`]) {
    t.equal(await livesOf(path), whileFresh, path)
  }
  const second = pathOf(await send(await picture('png', { width: 20 })))
  t.equal(await livesOf(first), whileFresh, 'what was the present version')
  t.equal(await livesOf(second), forever)
})

t.test('a picture may be shown anywhere, and run nowhere', async (t) => {
  const { send, get } = await uploader(t)
  const path = pathOf(await send(await picture('png')))
  for (const size of sizes) {
    const { headers } = await get(`${path}&size=${size}`)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(
      headers.get('content-security-policy'),
      "default-src 'none'; frame-ancestors 'none'; sandbox",
    )
    t.equal(headers.get('cross-origin-resource-policy'), 'cross-origin')
    t.equal(headers.get('content-disposition'), 'inline')
    t.equal(headers.get('set-cookie'), null)
  }
})

t.test('what is asked for in another way is refused', async (t) => {
  const { send, get, id } = await uploader(t)
  const path = pathOf(await send(await picture('png')))
  const refused = ['&size=huge', '&size=', '&size=large&size=small', '&hash=x', '&size=hash,']
  for (const query of [...refused, 'x', `&v=${'x'.repeat(43)}`]) {
    const { status, bytes } = await get(path + query)
    t.equal(status, 400, query)
    t.match(JSON.parse(bytes.toString()), { code: 'validation_failed' }, query)
  }
  for (const kind of ['picture', 'readme']) {
    const nobody = await get(
      `/api/users/${id.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}/${kind}`,
    )
    t.equal(nobody.status, 404, 'nobody')
    t.equal((await get(`/api/users/x/${kind}`)).status, 400, 'no id')
  }
})
