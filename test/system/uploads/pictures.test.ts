import sharp from 'sharp'
import t from 'tap'
import {
  animated,
  gradient,
  pathOf,
  picture,
  type Format,
  uploader,
} from '../../support/pictures.js'
import { createAdmin } from '../../support/http/client.js'

const paths = ['/api/upload-picture', '/api/upload_profile_pic']
const formats: Format[] = ['png', 'jpeg', 'webp']

t.test('PNG, JPEG and WebP become WebP in two sizes, by either path', async (t) => {
  const { send, get } = await uploader(t)
  for (const path of paths) {
    for (const format of formats) {
      const bytes = await picture(format, { width: 1_600, height: 1_200 })
      const sent = await send(bytes, { path, field: `my ${format}` })
      t.equal(sent.status, 200, `${path}: ${format}`)
      const large = await get(pathOf(sent))
      t.equal(large.headers.get('content-type'), 'image/webp')
      t.match(await sharp(large.bytes).metadata(), { format: 'webp', width: 1_024, height: 768 })
      const small = await get(`${pathOf(sent)}&size=small`)
      t.equal(small.headers.get('content-type'), 'image/webp')
      t.match(await sharp(small.bytes).metadata(), { format: 'webp', width: 128, height: 128 })
      const [left, right] = await Promise.all([10, 1_000].map((x) => colourAt(large.bytes, x)))
      t.ok(left!.r > 200 && left!.b < 60, `red on the left: ${JSON.stringify(left)}`)
      t.ok(right!.b > 200 && right!.r < 60, `blue on the right: ${JSON.stringify(right)}`)
    }
  }
})

t.test('a picture that is small is not enlarged, but for the small one', async (t) => {
  const { send, get } = await uploader(t)
  for (const [width, height] of [
    [1, 1],
    [64, 48],
    [20, 2_000],
  ] as const) {
    const sent = await send(await picture('png', { width, height }))
    const large = await sharp((await get(pathOf(sent))).bytes).metadata()
    t.strictSame([large.width, large.height], height > 1_024 ? [10, 1_024] : [width, height])
    const small = await sharp((await get(`${pathOf(sent)}&size=small`)).bytes).metadata()
    t.strictSame([small.width, small.height], [128, 128])
  }
})

t.test('bytes say what a file is, not its name or type', async (t) => {
  const { send } = await uploader(t)
  for (const format of formats) {
    const bytes = await picture(format)
    for (const [name, type] of [
      ['a.png', 'image/png'],
      ['a.svg', 'image/svg+xml'],
      ['a.html', 'text/html'],
      ['a', 'application/octet-stream'],
    ] as const) {
      t.equal((await send(bytes, { name, type })).status, 200, `${format} as ${name}`)
    }
  }
})

t.test('an animated WebP stands still, at its first frame', async (t) => {
  const { send, get } = await uploader(t)
  const bytes = await animated('webp')
  t.equal((await sharp(bytes).metadata()).pages, 2, 'it does move')
  const sent = await send(bytes)
  for (const size of ['large', 'small']) {
    const still = (await get(`${pathOf(sent)}&size=${size}`)).bytes
    const { pages = 1 } = await sharp(still).metadata()
    t.equal(pages, 1)
    t.notMatch(still.toString('latin1'), /ANIM|ANMF/)
    const { r, b } = await colourAt(still, 5)
    t.ok(r > 200 && b < 60, 'red')
  }
})

t.test('a picture is turned as its EXIF says', async (t) => {
  const { send, get } = await uploader(t)
  const bytes = await gradient(80, 40).jpeg().withMetadata({ orientation: 3 }).toBuffer()
  const turned = (await get(pathOf(await send(bytes)))).bytes
  t.ok((await colourAt(turned, 2)).b > 180, 'upside down: blue is on the left')
  const onItsSide = await gradient(80, 40).jpeg().withMetadata({ orientation: 6 }).toBuffer()
  const { width, height, orientation } = await sharp(
    (await get(pathOf(await send(onItsSide)))).bytes,
  ).metadata()
  t.strictSame({ width, height, orientation }, { width: 40, height: 80, orientation: undefined })
})

t.test('without a good token nothing is taken', async (t) => {
  const { send, get, id, origin, token: good } = await uploader(t)
  const bytes = await picture('png')
  for (const path of paths) {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(bytes)]), 'a.png')
    const stranger = await fetch(origin + path, { method: 'POST', body: form })
    t.equal(stranger.status, 401, 'no token')
    for (const token of ['x', 'a.b.c', `${good}x`, good.slice(0, -5)]) {
      const { status, body } = await send(bytes, { path, token })
      t.match({ status, code: body.code }, { status: 401, code: 'invalid_token' })
    }
  }
  const path = `/api/user/picture`
  t.equal((await fetch(origin + path, { method: 'DELETE' })).status, 401)
  t.equal((await get(`/api/users/${id}/picture`)).status, 404)
})

t.test('another picture has another URL, and the old one shows the new', async (t) => {
  const { send, get, id } = await uploader(t)
  const first = pathOf(await send(await picture('png')))
  const second = pathOf(await send(await picture('png', { width: 30, height: 20 })))
  t.not(first, second)
  t.equal(pathOf(await send(await picture('png'))), first, 'the same picture has the same URL')
  await send(await picture('png', { width: 30, height: 20 }))
  for (const path of [first, second, `/api/users/${id}/picture`]) {
    const { width } = await sharp((await get(path)).bytes).metadata()
    t.equal(width, 30, path)
  }
})

t.test('a picture goes when its owner says so', async (t) => {
  const { send, get, id, remove, token, sql } = await uploader(t)
  const path = pathOf(await send(await picture('png')))
  const user = async () =>
    JSON.parse((await get('/api/user', { authorization: `Bearer ${token}` })).bytes.toString()) as {
      user: { picture_url: string | null }
    }
  t.ok((await user()).user.picture_url?.endsWith(path))
  t.equal((await remove('/api/user/picture')).status, 200)
  t.equal((await user()).user.picture_url, null)
  for (const gone of [path, `${path}&size=small`, `/api/users/${id}/picture`]) {
    const { status, headers } = await get(gone)
    t.strictSame([status, headers.get('cache-control')], [404, 'no-store'])
  }
  t.equal((await remove('/api/user/picture')).status, 404)
  t.strictSame(await sql('select * from pictures'), [])
})

t.test('a picture goes with its owner, and nobody else’s does', async (t) => {
  const service = await uploader(t)
  const { send, get, id, sql } = service
  const path = pathOf(await send(await picture('png')))
  const admin = await createAdmin(service)
  const kept = pathOf(await send(await picture('png'), { token: admin.login.access_token }))
  t.equal((await admin.send('DELETE', `/api/users/${id}`)).status, 200)
  t.equal((await get(path)).status, 404)
  t.equal((await get(kept)).status, 200)
  t.strictSame(await sql('select user_id from pictures'), [{ user_id: admin.id }])
})

async function colourAt(bytes: Buffer, x: number) {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  const [r = 0, , b = 0] = data.subarray(x * info.channels)
  return { r, b }
}
