import { invalidPicture, requireBounds } from './bounds.js'

const signature = 8
// libpng writes chunks of 8 KB, so a file of 5 MB has 640 chunks.
const maxChunks = 10_000
const maxProfile = 65_536
const critical = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND'])
/** The ancillary chunks that change how the picture looks. Only the color profile (`iCCP`) is compressed. */
const ancillary = new Set(['tRNS', 'gAMA', 'cHRM', 'sRGB', 'cICP', 'iCCP', 'eXIf'])

/**
 * Removes the chunks that do not change how a PNG looks, which a decoder would unpack only to discard, and the
 * bytes after its end.
 * @throws AppError `invalid_picture` if it is malformed, or would cost too much to decode
 */
export function preparePng(bytes: Buffer): Buffer {
  const kept = [bytes.subarray(0, signature)]
  const seen = new Set<string>()
  for (let at = signature; at + 12 <= bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const end = at + 12 + length
    if (end > bytes.length) throw invalidPicture('a chunk is truncated')
    if (at === signature) requireHeader(type, bytes.subarray(at + 8, end - 4))
    const isCritical = critical.has(type)
    // An upper-case first letter marks a critical chunk: a decoder must not ignore it (PNG §5.4).
    if (!isCritical && /^[A-Z]/.test(type)) throw invalidPicture('a critical chunk is unknown')
    const isFirst = !seen.has(type) && length <= maxProfile
    if (isCritical || (ancillary.has(type) && isFirst)) kept.push(bytes.subarray(at, end))
    if (kept.length > maxChunks) throw invalidPicture('there are too many chunks')
    if (type === 'IEND') return Buffer.concat(kept)
    seen.add(type)
    at = end
  }
  throw invalidPicture('the end is missing')
}

function requireHeader(type: string, header: Buffer): void {
  if (type !== 'IHDR' || header.length !== 13) throw invalidPicture('the header is missing')
  requireBounds({
    width: header.readUInt32BE(0),
    height: header.readUInt32BE(4),
    isHeldWhole: header[12] !== 0, // interlaced
  })
}
