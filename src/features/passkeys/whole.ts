/** Whether bytes are one item of CBOR (RFC 8949), with nothing behind it. @throws RangeError if the item is cut */
export const isOneCborItem = (bytes: Buffer): boolean => endOfItem(bytes, 0) === bytes.length

/** Whether bytes are a signature of ES256 in DER (RFC 3279 §2.2.3), with nothing behind it. */
export function isOneDerSignature(bytes: Buffer): boolean {
  const [sequence, length, integer, sizeOfR = 0] = bytes
  if (sequence !== 0x30 || length !== bytes.length - 2 || integer !== 2) return false
  const [second, sizeOfS = 0] = bytes.subarray(4 + sizeOfR)
  return second === 2 && 6 + sizeOfR + sizeOfS === bytes.length
}

/** Where the item that begins at a byte ends. Only definite lengths occur (CTAP 2, canonical CBOR). */
function endOfItem(bytes: Buffer, at: number): number {
  const first = bytes.readUInt8(at)
  const kind = first >> 5
  const { value, next } = argumentOf(bytes, at + 1, first & 31)
  if (kind === 2 || kind === 3) return next + value
  const inner = kind === 4 ? value : kind === 5 ? value * 2 : kind === 6 ? 1 : 0
  let end = next
  for (let count = 0; count < inner; count += 1) end = endOfItem(bytes, end)
  return end
}

function argumentOf(bytes: Buffer, at: number, info: number): { value: number; next: number } {
  if (info < 24) return { value: info, next: at }
  if (info === 24) return { value: bytes.readUInt8(at), next: at + 1 }
  if (info === 25) return { value: bytes.readUInt16BE(at), next: at + 2 }
  if (info === 26) return { value: bytes.readUInt32BE(at), next: at + 4 }
  throw new RangeError('the length is not of canonical CBOR')
}
