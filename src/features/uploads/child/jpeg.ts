import { invalidPicture, requireBounds } from './bounds.js'

// libjpeg writes 10 scans, and an encoder that searches for the best ones about 20. Each costs a
// pass over the whole picture, though it may take only 20 bytes.
const maxScans = 64
// A profile, EXIF and XMP take up to 255 segments of 64 KB each, of which 5 MB hold 80.
const maxSegments = 1_000

const startOfScan = 0xda
const endOfImage = 0xd9
/** TEM and the restarts: no length follows. */
const isBare = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/**
 * A JPEG without what is behind its end, once its scans are counted.
 * @throws AppError `invalid_picture` for one that would cost too much, or is malformed
 */
export function prepareJpeg(bytes: Buffer): Buffer {
  let frame: { width: number; height: number; isProgressive: boolean } | undefined
  let scans = 0
  let segments = 0
  for (let at = 2; ;) {
    const found = nextMarker(bytes, at)
    const marker = bytes[found]
    // A file that is cut: the decoder judges it, and finds nothing that was not counted.
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

/** Baseline, extended or progressive: no browser shows another (ITU T.81, B.1.1.3). */
function readFrame(marker: number, segment: Buffer) {
  if (marker > 0xc2 || segment.length < 8) throw invalidPicture('the frame is of another kind')
  if ((segment[7] ?? 0) > 4) throw invalidPicture('there are too many components')
  return {
    height: segment.readUInt16BE(3),
    width: segment.readUInt16BE(5),
    isProgressive: marker === 0xc2,
  }
}

/** The position of the next marker's second byte. Other bytes are skipped, as the decoder does. */
function nextMarker(bytes: Buffer, from: number): number {
  for (let at = from; at + 1 < bytes.length; at += 1) {
    if (bytes[at] !== 0xff) continue
    const next = bytes[at + 1]
    if (next !== 0x00 && next !== 0xff) return at + 1
  }
  return bytes.length
}
