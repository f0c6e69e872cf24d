import type { Readable, Writable } from 'node:stream'

/** The kinds of frames between the service and a child process. */
export const kinds = { ready: 0, picture: 1, readme: 2, refused: 3 } as const

export type Kind = (typeof kinds)[keyof typeof kinds]

const header = 5

/** Writes a frame: four bytes of payload length, one byte of kind, then the payload. */
export function writeFrame(stream: Writable, kind: Kind, ...payload: Buffer[]): void {
  const head = Buffer.alloc(header)
  head.writeUInt32BE(payload.reduce((sum, { length }) => sum + length, 0))
  head[4] = kind
  stream.write(head)
  for (const piece of payload) stream.write(piece)
}

type Receiver = {
  /** The longest payload, in bytes. */
  maxLength: number
  onFrame: (kind: number, payload: Buffer) => void
  /** Called when a payload is longer than `maxLength`. No frame is read after it. */
  onTooLong: () => void
}

/** Reads frames. It buffers at most one frame of the maximum length, and the rest of one chunk. */
export function readFrames(stream: Readable, { maxLength, onFrame, onTooLong }: Receiver): void {
  let chunks: Buffer[] = []
  let held = 0

  const peek = () => (chunks.length > 1 ? (chunks = [Buffer.concat(chunks)]) : chunks)[0]

  function onData(chunk: Buffer): void {
    chunks.push(chunk)
    held += chunk.length
    while (held >= header) {
      const length = lengthOf(chunks[0])
      if (length > maxLength) {
        stream.off('data', onData)
        onTooLong()
        return
      }
      if (held < header + length) return
      const all = peek() ?? Buffer.alloc(0)
      const rest = all.subarray(header + length)
      chunks = rest.length > 0 ? [rest] : []
      held = rest.length
      onFrame(all[4] ?? -1, all.subarray(header, header + length))
    }
  }

  function lengthOf(first: Buffer | undefined): number {
    const whole = first && first.length >= header ? first : peek()
    return whole?.readUInt32BE() ?? 0
  }

  stream.on('data', onData)
}

/** Joins two byte strings into one payload, in pieces for writeFrame(). */
export function joinTwo(first: Buffer, second: Buffer): Buffer[] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(first.length)
  return [length, first, second]
}

/** Reverses joinTwo(). @throws RangeError if the payload is too short */
export function splitTwo(payload: Buffer): [Buffer, Buffer] {
  const end = 4 + payload.readUInt32BE()
  if (end > payload.length) throw new RangeError('the payload is truncated')
  return [Buffer.from(payload.subarray(4, end)), Buffer.from(payload.subarray(end))]
}
