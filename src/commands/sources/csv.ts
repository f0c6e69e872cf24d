import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'
import type { SourceRow } from '../../features/imports/row.js'
import { linesOf, maxRecord, type Line } from './lines.js'
import type { Source } from './source.js'

/** Parsing many records at once takes a tenth of the time of parsing each. */
const recordsAtOnce = 500

type CsvRecord = { place: number; text: string }

/** A CSV file with a header line. Its delimiter is the most frequent of comma, semicolon and tab in the header. */
export async function openCsv(path: string): Promise<Source> {
  const { size } = await stat(path)
  const stream = createReadStream(path)
  let delimiter = ','
  const records = recordsOf(linesOf(stream), (text) => fieldsOf(text, delimiter) !== undefined)
  const first = await records.next()
  const header = !first.done && 'text' in first.value ? first.value.text : ''
  delimiter = delimiterOf(header)
  const columns = (fieldsOf(header, delimiter)?.[0] ?? []).map((name) => name.trim())
  return {
    name: path,
    columns,
    rows: read(),
    progress: () => ({ done: stream.bytesRead, total: size }),
    close: async () => {
      stream.destroy()
    },
  }

  async function* read(): AsyncGenerator<SourceRow> {
    let batch: CsvRecord[] = []
    for await (const record of records) {
      if ('text' in record) batch.push(record)
      else yield record
      if (batch.length < recordsAtOnce) continue
      yield* toRows(batch, columns, delimiter)
      batch = []
    }
    yield* toRows(batch, columns, delimiter)
  }
}

/**
 * Joins lines to records: a line break within quotes belongs to the record. If a quote is never closed, or in a wrong
 * place, the line that opens it is refused, and the next line begins a record.
 */
async function* recordsOf(
  lines: AsyncIterable<Line>,
  isValid: (text: string) => boolean,
): AsyncGenerator<CsvRecord | { place: number; fault: string }> {
  let open: CsvRecord[] = []
  let length = 0
  let isQuoted = false
  for await (const { place, text } of lines) {
    if (text === undefined) {
      yield* flush()
      yield { place, fault: 'The row is longer than 1 MB.' }
    } else yield* add({ place, text })
    while (length > maxRecord) yield* reopen()
  }
  yield* flush()

  function* add(line: CsvRecord): Generator<CsvRecord | { place: number; fault: string }> {
    if (open.length === 0 && line.text.trim() === '') return
    open.push(line)
    length += line.text.length + 1
    if (line.text.split('"').length % 2 === 0) isQuoted = !isQuoted
    if (isQuoted) return
    const text = open.map((each) => each.text).join('\n')
    if (open.length > 1 && !isValid(text)) {
      yield* reopen()
      return
    }
    yield { place: open[0]?.place ?? 0, text }
    open = []
    length = 0
  }

  function* flush() {
    while (open.length > 0) yield* reopen()
  }

  function* reopen(): Generator<CsvRecord | { place: number; fault: string }> {
    const [first, ...others] = open
    open = []
    length = 0
    isQuoted = false
    if (first) yield { place: first.place, fault: 'A quote is in a wrong place, or never closed.' }
    for (const line of others) yield* add(line)
  }
}

function* toRows(records: CsvRecord[], columns: string[], delimiter: string): Generator<SourceRow> {
  const together = fieldsOf(records.map(({ text }) => text).join('\n'), delimiter)
  for (const [at, { place, text }] of records.entries()) {
    const fields =
      together?.length === records.length ? together[at] : fieldsOf(text, delimiter)?.[0]
    yield toRow(place, columns, fields)
  }
}

function toRow(place: number, columns: string[], fields: string[] | undefined): SourceRow {
  if (!fields) return { place, fault: 'A quote is in a wrong place, or never closed.' }
  if (fields.length === columns.length) {
    return { place, values: Object.fromEntries(columns.map((name, at) => [name, fields[at]])) }
  }
  const counts = `${String(fields.length)} fields, and the header has ${String(columns.length)}`
  return { place, fault: `The row has ${counts}.` }
}

/** Undefined if the text is not valid CSV. */
function fieldsOf(text: string, delimiter: string): string[][] | undefined {
  try {
    return parse(text, { delimiter, relax_column_count: true })
  } catch {
    return undefined
  }
}

function delimiterOf(header: string): string {
  const count = (sign: string) => header.split(sign).length
  return [',', ';', '\t'].reduce((best, sign) => (count(sign) > count(best) ? sign : best))
}
