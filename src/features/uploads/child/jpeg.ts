import { invalidPicture, requireBounds } from './bounds.js'

// libjpeg writes 10 scans, and an encoder that optimizes them about 20. A scan can have only 20 bytes, but the
// decoder processes the whole picture for it.
const maxScans = 64
// A color profile, EXIF and XMP take up to 255 segments of 64 KB. A file of 5 MB has room for 80 of these.
const maxSegments = 1_000

const startOfScan = 0xda
const endOfImage = 0xd9
/** The markers that have no length field: TEM, RST0 to RST7 and SOI. */
const isBare = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/**
 * Counts the scans of a JPEG, and removes the bytes after its end.
 * @throws AppError `invalid_picture` if it is malformed, or would cost too much to decode
 */
export function prepareJpeg(bytes: Buffer): Buffer {
  let frame: { width: number; height: number; isProgressive: boolean } | undefined
  let scans = 0
  let segments = 0
  for (let at = 2; ;) {
    const found = nextMarker(bytes, at)
    const marker = bytes[found]
    // A truncated file also ends here. The decoder decides whether to accept it; all its scans are counted.
    if (marker === undefined || marker === endOfImage) {
      if (!frame || scans === 0) throw invalidPicture('there is no scan')
      requireBounds({ ...frame, isHeldWhole: frame.isProgressive || scans > 1 })
      return bytes.subarray(0, found + 1)
    }
    at = found + 1
    if (isBare(marker)) continue
    segments += 1
    if (segments > maxSegments) throw invalidPicture('there are too many segments')
    if (marker === startOfScan) scans += 1
    if (scans > maxScans) throw invalidPicture('there are too many scans')
    if (at + 2 > bytes.length) continue
    if (isFrame(marker)) {
      if (frame) throw invalidPicture('there are two frames')
      frame = readFrame(marker, bytes.subarray(at))
    }
    at += Math.max(2, bytes.readUInt16BE(at))
  }
}

/** Accepts baseline, extended and progressive frames. Browsers show no other kind (ITU T.81, B.1.1.3). */
function readFrame(marker: number, segment: Buffer) {
  if (marker > 0xc2 || segment.length < 8)
    throw invalidPicture('the kind of frame is not supported')
  if ((segment[7] ?? 0) > 4) throw invalidPicture('there are too many components')
  return {
    height: segment.readUInt16BE(3),
    width: segment.readUInt16BE(5),
    isProgressive: marker === 0xc2,
  }
}

/** The position of the second byte of the next marker. It skips other bytes, as the decoder does. */
function nextMarker(bytes: Buffer, from: number): number {
  for (let at = from; at + 1 < bytes.length; at += 1) {
    if (bytes[at] !== 0xff) continue
    const next = bytes[at + 1]
    if (next !== 0x00 && next !== 0xff) return at + 1
  }
  return bytes.length
}
