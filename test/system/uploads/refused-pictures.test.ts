import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import t from 'tap'
import {
  animated,
  gradient,
  pathOf,
  picture,
  pngChunk,
  pngSignature,
} from '../../support/pictures.js'
import { uploader, withChunk } from '../../support/pictures.js'

const svg = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`

t.test('what is no picture of ours is refused, whatever it is called', async (t) => {
  const { send, get, id } = await uploader(t)
  const good = await picture('png')
  const large = { width: 300, height: 200 }
  const webp = await picture('webp', large)
  const files: Record<string, Buffer | string> = {
    svg,
    'svg without a declaration': svg.slice(21),
    gif: await animated('gif'),
    tiff: await gradient(9, 9).tiff().toBuffer(),
    avif: await gradient(9, 9).avif({ effort: 0 }).toBuffer(),
    pdf: '%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF',
    html: '<!doctype html><script>alert(1)</script>',
    text: 'a picture',
    'one byte': '\x89',
    'a PNG signature': pngSignature,
    'random bytes behind a PNG signature': Buffer.concat([pngSignature, randomBytes(9_000)]),
    'random bytes behind a JPEG signature': Buffer.concat([hex('ffd8ffe0'), randomBytes(9_000)]),
    'random bytes behind a WebP signature': Buffer.concat([webp.subarray(0, 12), randomBytes(900)]),
    'svg behind a PNG signature': Buffer.concat([pngSignature, Buffer.from(svg)]),
    'svg behind a JPEG signature': Buffer.concat([hex('ffd8ff'), Buffer.from(svg)]),
    'a PNG with a wrong checksum': Buffer.from(good).fill(0, 29, 33),
    'a PNG behind one byte': Buffer.concat([Buffer.from(' '), good]),
    'a PNG of no width': Buffer.concat([
      pngSignature,
      pngChunk('IHDR', hex('00000000000000010802000000')),
      pngChunk('IEND', hex('')),
    ]),
  }
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    const whole = await picture(format, large)
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      files[`${format}, ${share} of it`] = whole.subarray(0, Math.floor(whole.length * share))
    }
  }
  for (const [name, bytes] of Object.entries(files)) {
    for (const sending of [{}, { name: 'a.png', type: 'image/png' }]) {
      const { status, body } = await send(bytes, sending)
      t.match({ status, code: body.code }, { status: 422, code: 'invalid_picture' }, name)
    }
  }
  t.equal((await get(`/api/users/${id}/picture`)).status, 404, 'nothing was kept')
  t.equal((await send(good)).status, 200)
})

t.test('what is refused leaves the picture that was there', async (t) => {
  const { send, get } = await uploader(t)
  const path = pathOf(await send(await picture('png')))
  const { bytes } = await get(path)
  t.equal((await send('no picture')).status, 422)
  t.strictSame((await get(path)).bytes, bytes)
})

t.test('no file, and one that is too large', async (t) => {
  const { send } = await uploader(t)
  const png = await picture('png')
  const upTo = (length: number) => Buffer.concat([png, Buffer.alloc(length - png.length)])
  const empty = await send('')
  t.match([empty.status, empty.body.code], [400, 'file_required'])
  t.equal((await send(upTo(5 * 1_048_576))).status, 200, '5 MB')
  const over = await send(upTo(5 * 1_048_576 + 1))
  t.match([over.status, over.body.code], [413, 'body_too_large'], 'one byte more')
  const far = await send(upTo(7 * 1_048_576))
  t.match([far.status, far.body.code], [413, 'body_too_large'], 'more than any form')
})

const canary = 'c4n4ry'
const exif = {
  IFD0: { Copyright: canary, ImageDescription: canary },
  IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1', GPSDateStamp: '1815:12:10' },
}
const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="${canary}"/>
  </rdf:RDF></x:xmpmeta>`

t.test('nothing but the picture itself is served', async (t) => {
  const { send, get, sql } = await uploader(t)
  const trailer = Buffer.from(`<script>${canary}</script>PK\x03\x04${canary}`)
  const files: Record<string, Buffer> = {}
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    const bytes = await gradient(64, 48)
      .toFormat(format)
      .withExif(exif)
      .withXmp(xmp)
      .withIccProfile('p3')
      .toBuffer()
    const { exif: found, xmp: foundXmp, icc } = await sharp(bytes).metadata()
    t.match(found?.toString('latin1'), canary, `${format}: EXIF is sent`)
    t.match(found?.toString('latin1'), '1815:12:10', `${format}: GPS is sent`)
    t.match(foundXmp?.toString('latin1'), canary, `${format}: XMP is sent`)
    t.ok(icc, `${format}: a profile is sent`)
    files[`${format} with metadata`] = bytes
    files[`${format} with a trailer`] = Buffer.concat([await picture(format), trailer])
  }
  const text = pngChunk('tEXt', Buffer.from(`Comment\0${canary}`))
  files['png with text'] = withChunk(await picture('png'), text)
  for (const [name, bytes] of Object.entries(files)) {
    t.match(bytes.toString('latin1'), canary, `${name}: the canary is sent`)
    const sent = await send(bytes)
    t.equal(sent.status, 200, name)
    for (const size of ['large', 'small']) {
      const served = (await get(`${pathOf(sent)}&size=${size}`)).bytes
      t.notMatch(served.toString('latin1'), /c4n4ry|1815:12:10|script|EXIF|XMP |ICCP/, name)
      const metadata = await sharp(served).metadata()
      for (const kind of ['exif', 'xmp', 'iptc', 'icc', 'comments'] as const) {
        t.equal(metadata[kind], undefined, `${name}: ${kind}`)
      }
      t.equal(served.readUInt32LE(4) + 8, served.length, `${name}: it ends where it says`)
    }
  }
  const [row] = await sql<{ held: string }>(
    `select encode(large || small, 'escape') as held from pictures`,
  )
  t.notMatch(row!.held, canary)
})

const hex = (digits: string) => Buffer.from(digits, 'hex')
