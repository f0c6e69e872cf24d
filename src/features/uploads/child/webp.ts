import { invalidPicture, requireBounds } from './bounds.js'

const header = 12
// For each frame the decoder walks the list of all frames.
const maxFrames = 1_000
const maxChunks = 2_000

/**
 * Removes the bytes after the end of a WebP.
 * @throws AppError `invalid_picture` if it is malformed, or would cost too much to decode
 */
export function prepareWebp(bytes: Buffer): Buffer {
  const end = Math.min(bytes.length, 8 + bytes.readUInt32LE(4))
  let frames = 0
  let chunks = 0
  for (let at = header; at + 8 <= end;) {
    const type = bytes.toString('latin1', at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    const payload = bytes.subarray(at + 8, Math.min(end, at + 8 + length))
    chunks += 1
    if (type === 'ANMF') frames += 1
    if (frames > maxFrames) throw invalidPicture('there are too many frames')
    if (chunks > maxChunks) throw invalidPicture('there are too many chunks')
    if (at === header) requireBounds({ ...sizeOf(type, payload), isHeldWhole: false })
    at += 8 + length + (length % 2)
  }
  if (chunks === 0) throw invalidPicture('there is no chunk')
  return bytes.subarray(0, end)
}

/** The size of the canvas, or of the only frame (RFC 9649 §2.5 to §2.7). */
function sizeOf(type: string, payload: Buffer): { width: number; height: number } {
  if (payload.length < 10) throw invalidPicture('the header is truncated')
  switch (type) {
    case 'VP8X':
      return { width: 1 + payload.readUIntLE(4, 3), height: 1 + payload.readUIntLE(7, 3) }
    case 'VP8L': {
      const bits = payload.readUInt32LE(1)
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) }
    }
    case 'VP8 ':
      return {
        width: payload.readUInt16LE(6) & 0x3fff,
        height: payload.readUInt16LE(8) & 0x3fff,
      }
    default:
      throw invalidPicture('the first chunk is unknown')
  }
}
