import { TextDecoder } from 'node:util'

/** A line of a file, or undefined if it is too long: then its text is never held. */
export type Line = { place: number; text: string | undefined }

/** A longer record is no user. It is refused before it fills the memory. */
export const maxRecord = 1_048_576

/** The lines of a text file, without their ends. UTF-8, or UTF-16 with a byte order mark. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let decoder: TextDecoder | undefined
  let rest = ''
  let length = 0
  let place = 0
  for await (const chunk of chunks) {
    decoder ??= new TextDecoder(encodingOf(chunk))
    yield* split(decoder.decode(chunk, { stream: true }))
  }
  yield* split(decoder?.decode() ?? '')
  if (length > 0) yield take()

  function* split(text: string): Generator<Line> {
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      add(text.slice(start, end))
      yield take()
      start = end + 1
    }
    add(text.slice(start))
  }

  function add(part: string): void {
    length += part.length
    rest = length > maxRecord ? '' : rest + part
  }

  function take(): Line {
    const text = length > maxRecord ? undefined : rest.replace(/\r$/, '')
    rest = ''
    length = 0
    place += 1
    return { place, text }
  }
}

/** The decoder removes the mark. */
function encodingOf(start: Buffer): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le'
  return start[0] === 0xfe && start[1] === 0xff ? 'utf-16be' : 'utf-8'
}
