import { constants, deflateRawSync, deflateSync } from 'node:zlib'
import { pngChunk, pngSignature } from './pictures.js'

/** Bits as JPEG's entropy coding has them: to whole bytes by ones, and a zero behind each 0xff. */
function jpegBits(bits: string): Buffer {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
  const bytes: number[] = []
  for (let at = 0; at < padded.length; at += 8) {
    const byte = parseInt(padded.slice(at, at + 8), 2)
    bytes.push(...(byte === 0xff ? [byte, 0] : [byte]))
  }
  return Buffer.from(bytes)
}

function jpegSegment(marker: number, content: number[]): Buffer {
  const length = content.length + 2
  return Buffer.from([0xff, marker, length >> 8, length & 0xff, ...content])
}

const startOfImage = Buffer.from('ffd8', 'hex')
const endOfImage = Buffer.from('ffd9', 'hex')

/**
 * A legal, progressive, grey-blue JPEG: one scan for the averages, and then one for each bit of each
 * coefficient of each colour, all of them zero, as far as `scans` reaches. There are 2,647 at most.
 */
export function scansJpeg(width: number, height: number, scans: number): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8)
  const components = [1, 2, 3]
  const sizes = [height >> 8, height & 0xff, width >> 8, width & 0xff]
  // Codes of four bits: "no more in 2^n blocks" is n.
  const runs = Array.from({ length: 15 }, (_, n) => n << 4)
  const pieces = [
    startOfImage,
    jpegSegment(0xdb, [0, ...Array<number>(64).fill(1)]),
    jpegSegment(0xc2, [8, ...sizes, 3, ...components.flatMap((id) => [id, 0x11, 0])]),
    jpegSegment(0xc4, [0x00, 1, ...Array<number>(15).fill(0), 0]),
    jpegSegment(0xc4, [0x10, 0, 0, 0, 15, ...Array<number>(12).fill(0), ...runs]),
    jpegSegment(0xda, [3, ...components.flatMap((id) => [id, 0]), 0, 0, 0]),
    jpegBits('0'.repeat(blocks * 3)),
  ]
  let bits = ''
  for (let left = blocks; left > 0;) {
    const n = Math.min(14, Math.floor(Math.log2(left)))
    const run = Math.min(left, 2 ** (n + 1) - 1)
    bits += n.toString(2).padStart(4, '0')
    if (n > 0) bits += (run - 2 ** n).toString(2).padStart(n, '0')
    left -= run
  }
  const zeros = jpegBits(bits)
  let count = 1
  for (const id of components) {
    for (let coefficient = 1; coefficient < 64; coefficient += 1) {
      for (let bit = 13; bit >= 0 && count < scans; bit -= 1) {
        const approximation = ((bit === 13 ? 0 : bit + 1) << 4) | bit
        const header = [1, id, 0, coefficient, coefficient, approximation]
        pieces.push(jpegSegment(0xda, header), zeros)
        count += 1
      }
    }
  }
  return Buffer.concat([...pieces, endOfImage])
}

type Png = {
  width: number
  height: number
  bits?: number
  /** 0 is grey, 6 is colour with transparency. */
  colour?: number
  interlaced?: boolean
  /** Chunks between header and picture. */
  chunks?: Buffer[]
  /** Times 8 MB of zeros behind the last row, in the same stream. */
  behind?: number
}

/** A PNG that is black, and says of itself what it is told to. */
export function png({ width, height, bits = 8, colour = 0, ...rest }: Png): Buffer {
  const { interlaced = false, chunks = [], behind = 0 } = rest
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([bits, colour, 0, 0, interlaced ? 1 : 0], 8)
  const perPixel = (bits * (colour === 6 ? 4 : 1)) / 8
  // An interlaced picture has some more rows; what is too much is not looked at.
  const rows = Math.ceil((1 + width * perPixel) * height * (interlaced ? 1.02 : 1)) + height
  return Buffer.concat([
    pngSignature,
    pngChunk('IHDR', header),
    ...chunks,
    pngChunk('IDAT', behind > 0 ? endless(rows, behind) : deflateSync(Buffer.alloc(rows))),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

/** A stream of zlib without its checksum, which is looked at last. */
function endless(rows: number, times: number): Buffer {
  const flush = { level: 9, finishFlush: constants.Z_FULL_FLUSH }
  const zeros = deflateRawSync(Buffer.alloc(8_388_608), flush)
  const first = deflateRawSync(Buffer.alloc(rows), flush)
  const head = Buffer.from('78da', 'hex')
  return Buffer.concat([
    head,
    first,
    ...Array<Buffer>(times).fill(zeros),
    Buffer.from('0300', 'hex'),
  ])
}

/** So many compressed comments, each of so many zeros. */
export function comments(count: number, length: number): Buffer[] {
  const data = Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(length))])
  return Array<Buffer>(count).fill(pngChunk('zTXt', data))
}

function webpChunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(data.length)
  return Buffer.concat([Buffer.from(type), length, data, Buffer.alloc(data.length % 2)])
}

/** An animation of the same still picture, a WebP of one frame, over and over. */
export function framesWebp(still: Buffer, width: number, height: number, frames: number): Buffer {
  const canvas = Buffer.alloc(10)
  canvas[0] = 0x02 // animated
  canvas.writeUIntLE(width - 1, 4, 3)
  canvas.writeUIntLE(height - 1, 7, 3)
  const place = Buffer.alloc(16)
  place.writeUIntLE(width - 1, 6, 3)
  place.writeUIntLE(height - 1, 9, 3)
  const frame = webpChunk('ANMF', Buffer.concat([place, still.subarray(12)]))
  const body = Buffer.concat([
    Buffer.from('WEBP'),
    webpChunk('VP8X', canvas),
    webpChunk('ANIM', Buffer.alloc(6)),
    ...Array<Buffer>(frames).fill(frame),
  ])
  const head = Buffer.alloc(8)
  head.write('RIFF')
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body])
}

/** YAML that nests to the end of the call stack of who reads it by recursion, twice in a file. */
export const dashes = `---\n${'- '.repeat(4_000)}a\n---\n`

export type Hostile = { path: '/api/upload-picture' | '/api/upload_readme'; bytes: Buffer | string }

/** Ten files that are small to send, and costly to read. */
export function hostileFiles(still: Buffer): Record<string, Hostile> {
  const picture = (bytes: Buffer) => ({ path: '/api/upload-picture' as const, bytes })
  const readme = (bytes: string) => ({ path: '/api/upload_readme' as const, bytes })
  const whole = { bits: 16, colour: 6, interlaced: true }
  return {
    'a JPEG of 2,647 scans': picture(scansJpeg(2_000, 2_000, 2_647)),
    'a JPEG of 64 scans and 8 Mpx': picture(scansJpeg(4_000, 2_000, 64)),
    'a PNG with compressed comments': picture(
      png({ width: 64, height: 48, chunks: comments(600, 7_000_000) }),
    ),
    'a strip of 1 × 8,000,000': picture(png({ width: 1, height: 8_000_000 })),
    'an interlaced PNG of 25 Mpx': picture(png({ width: 5_000, height: 5_000, ...whole })),
    'an interlaced PNG of 8 Mpx': picture(png({ width: 4_000, height: 2_000, ...whole })),
    'a PNG that goes on behind its end': picture(png({ width: 64, height: 48, behind: 500 })),
    'a WebP of 50,000 frames': picture(framesWebp(still, 16, 16, 50_000)),
    'front matter of 4,000 dashes': readme(dashes),
    'a README of 65,000 brackets': readme('['.repeat(65_000)),
  }
}
