import sharp from 'sharp'
import t from 'tap'
import { prepareJpeg } from '../../../../src/features/uploads/child/jpeg.js'
import { preparePng } from '../../../../src/features/uploads/child/png.js'
import { prepareWebp } from '../../../../src/features/uploads/child/webp.js'
import { comments, framesWebp, png, scansJpeg } from '../../../support/hostile.js'
import { animated, gradient, picture, pngChunk, withChunk } from '../../../support/pictures.js'

/** The error for a picture that is refused before it is decoded. */
const refusal = (reason: string) => ({ code: 'invalid_picture', cause: { message: reason } })

t.test('the output of common encoders stays unchanged', async (t) => {
  const source = () => gradient(300, 200)
  for (const progressive of [false, true]) {
    const jpeg = await source().jpeg({ progressive, mozjpeg: progressive }).toBuffer()
    t.strictSame(prepareJpeg(jpeg), jpeg)
    const exif = await source().jpeg({ progressive }).withMetadata({ orientation: 6 }).toBuffer()
    t.strictSame(prepareJpeg(exif), exif)
    t.same(
      (await sharp(preparePng(await source().png({ progressive }).toBuffer())).stats()).channels
        .length,
      3,
    )
  }
  for (const webp of [
    await source().webp().toBuffer(),
    await source().webp({ lossless: true }).toBuffer(),
    await source().webp().withMetadata({ orientation: 6 }).toBuffer(),
    await animated('webp'),
  ]) {
    t.strictSame(prepareWebp(webp), webp)
  }
})

t.test('all scans of a JPEG are counted that the decoder would find', async (t) => {
  t.equal(
    (await sharp(scansJpeg(64, 48, 2_647)).metadata()).format,
    'jpeg',
    'the decoder accepts it',
  )
  t.ok(prepareJpeg(scansJpeg(64, 48, 64)))
  const many = scansJpeg(64, 48, 65)
  t.throws(() => prepareJpeg(many), refusal('there are too many scans'))
  const start = many.indexOf(Buffer.from('ffda', 'hex'))
  const between = (hex: string) =>
    Buffer.concat([many.subarray(0, start), Buffer.from(hex, 'hex'), many.subarray(start)])
  for (const hex of ['0000', 'ffff', 'ff01', 'ffd0', 'fffe0004abcd', 'fffe0002']) {
    t.throws(() => prepareJpeg(between(hex)), refusal('there are too many scans'), hex)
  }
})

t.test('a JPEG is cut after its end; frames and segments are limited', async (t) => {
  const jpeg = await picture('jpeg')
  t.strictSame(prepareJpeg(Buffer.concat([jpeg, scansJpeg(64, 48, 2_647)])), jpeg)
  const cut = jpeg.subarray(0, -2)
  t.strictSame(prepareJpeg(cut), cut, 'a truncated JPEG is left to the decoder')
  const behindHead = (inserted: Buffer) =>
    Buffer.concat([jpeg.subarray(0, 2), inserted, jpeg.subarray(2)])
  const comment = Buffer.from('fffe0003aa', 'hex')
  const segments = behindHead(Buffer.concat(Array<Buffer>(1_001).fill(comment)))
  t.throws(() => prepareJpeg(segments), refusal('there are too many segments'))
  const frame = Buffer.from('ffc0000b080001000101011100', 'hex')
  t.throws(() => prepareJpeg(behindHead(frame)), refusal('there are two frames'))
  const lossless = Buffer.from('ffc3000b080001000101011100', 'hex')
  t.throws(() => prepareJpeg(behindHead(lossless)), refusal('the kind of frame is not supported'))
  const five = Buffer.from('ffc0000b080001000105011100', 'hex')
  t.throws(() => prepareJpeg(behindHead(five)), refusal('there are too many components'))
  t.throws(() => prepareJpeg(jpeg.subarray(0, 20)), refusal('there is no scan'))
})

t.test(
  'sides and pixels are limited; pictures that are decoded in memory have a lower limit',
  async (t) => {
    const rows: [width: number, height: number, interlaced: boolean, reason: string | undefined][] =
      [
        [16_384, 1_000, false, undefined],
        [16_385, 1, false, 'a side is too long'],
        [1, 8_000_000, false, 'a side is too long'],
        [0, 1, false, 'a side is 0'],
        [5_000, 5_000, false, undefined],
        [5_001, 5_000, false, 'there are too many pixels'],
        [4_000, 2_000, true, undefined],
        [4_001, 2_000, true, 'there are too many pixels'],
      ]
    for (const [width, height, interlaced, reason] of rows) {
      const bytes = png({ width: 1, height: 1, interlaced })
      bytes.writeUInt32BE(width, 16)
      bytes.writeUInt32BE(height, 20)
      const name = `${width} × ${height}`
      if (reason) t.throws(() => preparePng(bytes), refusal(reason), name)
      else t.ok(preparePng(bytes), name)
    }
    /** 0xc2 is progressive. */
    const large = (marker: number, scans: number) => {
      const bytes = scansJpeg(64, 48, scans)
      const frame = bytes.indexOf(Buffer.from('ffc2', 'hex'))
      bytes[frame + 1] = marker
      bytes.writeUInt16BE(2_001, frame + 5)
      bytes.writeUInt16BE(4_000, frame + 7)
      return bytes
    }
    t.throws(() => prepareJpeg(large(0xc2, 1)), refusal('there are too many pixels'), 'progressive')
    t.throws(() => prepareJpeg(large(0xc0, 2)), refusal('there are too many pixels'), 'two scans')
    t.ok(prepareJpeg(large(0xc0, 1)))
    const webp = await gradient(16, 16).webp({ lossless: true }).toBuffer()
    const huge = framesWebp(webp, 16_384, 16_384, 1)
    t.throws(() => prepareWebp(huge), refusal('there are too many pixels'))
  },
)

t.test('a PNG loses the chunks that do not change how it looks', async (t) => {
  const plain = await picture('png')
  const loud = comments(3, 1_000).reduce(withChunk, plain)
  t.ok(loud.length > plain.length)
  t.strictSame(preparePng(loud), preparePng(plain), 'comments')
  t.strictSame(preparePng(Buffer.concat([plain, loud])), preparePng(plain), 'bytes after the end')
  const profile = await gradient(30, 20).png().withIccProfile('p3').toBuffer()
  t.ok((await sharp(preparePng(profile)).metadata()).icc, 'the color profile is kept')
  const long = withChunk(plain, pngChunk('iCCP', Buffer.alloc(65_537)))
  t.strictSame(preparePng(long), preparePng(plain), 'a color profile over 64 KB is removed')
  const gamma = pngChunk('gAMA', Buffer.from('0000b18f', 'hex'))
  const once = withChunk(plain, gamma)
  t.strictSame(preparePng(withChunk(once, gamma)), preparePng(once), 'a repeated chunk is removed')
  const turned = await gradient(30, 20).png().withMetadata({ orientation: 6 }).toBuffer()
  t.equal((await sharp(preparePng(turned)).metadata()).orientation, 6, 'the orientation is kept')
  const unknown = withChunk(plain, pngChunk('ABCD', Buffer.alloc(1)))
  t.throws(() => preparePng(unknown), refusal('a critical chunk is unknown'))
  const empty = Array<Buffer>(10_001).fill(pngChunk('IDAT', Buffer.alloc(0)))
  t.throws(
    () => preparePng(png({ width: 1, height: 1, chunks: empty })),
    refusal('there are too many chunks'),
  )
  t.throws(() => preparePng(plain.subarray(0, -12)), refusal('the end is missing'))
  t.throws(() => preparePng(plain.subarray(0, -13)), refusal('a chunk is truncated'))
})

t.test('the frames and chunks of a WebP are counted', async (t) => {
  const still = await gradient(16, 16).webp({ lossless: true }).toBuffer()
  const some = framesWebp(still, 16, 16, 3)
  t.equal((await sharp(some).metadata()).pages, 3, 'the decoder accepts it')
  t.strictSame(prepareWebp(some), some)
  t.strictSame(prepareWebp(Buffer.concat([some, still])), some, 'bytes after the end are removed')
  const frames = framesWebp(still, 16, 16, 1_001)
  t.throws(() => prepareWebp(frames), refusal('there are too many frames'))
  const chunks = Buffer.concat([some, Buffer.alloc(2_000 * 8, 'JUNK\0\0\0\0')])
  chunks.writeUInt32LE(chunks.length - 8, 4)
  t.throws(() => prepareWebp(chunks), refusal('there are too many chunks'))
  t.throws(() => prepareWebp(some.subarray(0, 16)), refusal('there is no chunk'))
  t.throws(() => prepareWebp(some.subarray(0, 24)), refusal('the header is truncated'))
})
