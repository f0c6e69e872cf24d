import { OperatorError } from '../errors.js'
import {
  exportMapping,
  guessMapping,
  importFields,
  missingColumns,
  type ImportField,
  type Mapping,
} from '../features/imports/mapping.js'
import type { SourceRow } from '../features/imports/row.js'
import { readExportHead, type ExportHead } from './import-export-file.js'
import { readHashFormat, type HashFormat } from './import-hashes.js'
import type { Print } from './output.js'
import type { Source } from './sources/source.js'

type Options = Parameters<typeof readHashFormat>[0] & { map: string[] }

/** How the rows are read. */
export type Plan = { columns: string[]; mapping: Mapping; format: HashFormat; head?: ExportHead }

/** @throws OperatorError */
export async function makePlan(
  source: Source,
  sample: SourceRow[],
  options: Options,
): Promise<Plan> {
  const head = readExportHead(sample[0]?.values)
  if (head) {
    const format = await readHashFormat({}, [])
    return { head, columns: Object.values(exportMapping), mapping: exportMapping, format }
  }
  const values = sample.flatMap((row) => (row.values ? [row.values] : []))
  const columns = source.columns ?? [...new Set(values.flatMap((row) => Object.keys(row)))]
  const mapping = mapColumns(columns, options.map)
  const hashes = values.map((row) => row[mapping.password_hash ?? ''])
  return { columns, mapping, format: await readHashFormat(options, hashes) }
}

/** @throws OperatorError */
function mapColumns(columns: string[], options: string[]): Mapping {
  const given: Mapping = {}
  for (const option of options) {
    const [, field = '', column = ''] = /^([a-z_]+)=(.*)$/.exec(option) ?? []
    if (!importFields.includes(field as ImportField)) {
      throw new OperatorError(
        `--map ${option} is not FIELD=COLUMN with one of these fields: ${importFields.join(', ')}`,
      )
    }
    given[field as ImportField] = column
  }
  const mapping = guessMapping(columns, given)
  const [missing] = missingColumns(columns, mapping)
  const list = columns.slice(0, 100).join(', ')
  if (missing !== undefined) {
    throw new OperatorError(`There is no column ${missing}. The columns are: ${list}`)
  }
  if (!mapping.email && !mapping.username && !mapping.mobile) {
    throw new OperatorError(
      `No column is an e-mail address, a username or a mobile number: add --map. The columns are: ${list}`,
    )
  }
  return mapping
}

export function showPlan(
  source: Source,
  { columns, mapping, format, head }: Plan,
  print: Print,
): void {
  print(`Source: ${source.name}${head ? ', an export of Gatehouse' : ''}`)
  if (head) return
  for (const field of importFields) {
    const column = mapping[field]
    if (column !== undefined) print(`  ${field.padEnd(16)} from ${column}`)
  }
  const rest = columns.filter((column) => !Object.values(mapping).includes(column))
  if (rest.length > 0) print(`  not imported     ${rest.join(', ')}`)
  print(`  password hashes  ${format.name}`)
}
