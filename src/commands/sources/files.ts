import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { OperatorError } from '../../errors.js'
import type { SourceRow } from '../../features/imports/row.js'
import { linesOf } from './lines.js'
import type { Source } from './source.js'

export type FileKind = 'csv' | 'ndjson' | 'sqlite'

/** Tells the kind of a file by its first bytes. @throws OperatorError */
export async function kindOfFile(path: string): Promise<FileKind> {
  const file = await open(path).catch((cause: unknown) => {
    throw new OperatorError(`${path} cannot be read: ${messageOf(cause)}`, { cause })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0)
    const start = buffer.subarray(0, bytesRead)
    if (start.toString('latin1').startsWith('SQLite format 3\0')) return 'sqlite'
    return start
      .toString('utf8')
      .replace(/^\u{feff}/u, '')
      .trimStart()
      .startsWith('{')
      ? 'ndjson'
      : 'csv'
  } catch (cause) {
    throw new OperatorError(`${path} cannot be read: ${messageOf(cause)}`, { cause })
  } finally {
    await file.close()
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** A file with a JSON object on each line. */
export async function openNdjson(path: string): Promise<Source> {
  const { size } = await stat(path)
  const stream = createReadStream(path)
  return {
    name: path,
    rows: read(),
    progress: () => ({ done: stream.bytesRead, total: size }),
    close: async () => void stream.destroy(),
  }

  async function* read(): AsyncGenerator<SourceRow> {
    for await (const { place, text } of linesOf(stream)) {
      if (text === undefined) yield { place, fault: 'The line is longer than 1 MB.' }
      else if (text.trim() !== '') yield toObject(text, place)
    }
  }
}

function toObject(line: string, place: number): SourceRow {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { place, values: { ...value } }
    }
  } catch {
    // answered below
  }
  return { place, fault: 'The line is not a JSON object.' }
}
