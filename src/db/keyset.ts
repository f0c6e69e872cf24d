/** The end of a page: the sort key of its last row as text, and the id of that row. */
export type Position = { key: string | null; id: string }

export type Page<Row> = {
  rows: Row[]
  /** Where the next page begins; null on the last page. */
  end: Position | null
}

/** How the keys of a sort are compared, and written in a cursor. */
export type SortKind = 'text' | 'time'

/** The SQL of a sort key. It is made of constants of the source, and of no input. */
type SortKey = { value: string; id: string; text: string; toValue: (parameter: string) => string }

const kinds = {
  text: { type: 'text', lowest: `''` },
  time: { type: 'timestamptz', lowest: `'-infinity'` },
}

/**
 * A column that a list can be sorted by. Rows without a value are the lowest. An index on `value` and the id
 * must exist, or the list must be short. `stored` is the column of the index, if it has a value in every row, and `id`
 * the id beside it.
 */
export function sortKey(
  kind: SortKind,
  column: string,
  { nullable = false, stored = '', id = 'id' } = {},
): SortKey {
  const { type, lowest } = kinds[kind]
  const orLowest = (expression: string) => `coalesce(${expression}, ${lowest})`
  return {
    value: stored || (nullable ? orLowest(column) : column),
    id,
    // The whole precision: two rows of one millisecond differ in the microseconds.
    text:
      kind === 'time'
        ? `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
        : column,
    toValue: (parameter) => orLowest(`${parameter}::${type}`),
  }
}

export type Put = (value: unknown) => string

/** Collects the parameters of a statement. `put` returns the name of the parameter, such as `$1`. */
export function parameters(): { values: unknown[]; put: Put } {
  const values: unknown[] = []
  return { values, put: (value) => `$${String(values.push(value))}` }
}

type PageSql = { key: SortKey | undefined; descending: boolean; after: Position | undefined }

/** The parts of a statement that reads a page. The id breaks ties; without a key it is the whole order. */
export function pageSql({ key, descending, after }: PageSql, put: Put) {
  const direction = descending ? 'desc' : 'asc'
  const operator = descending ? '<' : '>'
  const id = () => `${put(after?.id)}::uuid`
  const isAfter = () =>
    key
      ? `(${key.value}, ${key.id}) ${operator} (${key.toValue(put(after?.key))}, ${id()})`
      : `id ${operator} ${id()}`
  return {
    sortKey: `${key?.text ?? 'null'} as sort_key`,
    isAfter: after ? isAfter() : 'true',
    order: key ? `${key.value} ${direction}, ${key.id} ${direction}` : `id ${direction}`,
  }
}

/** Makes a page of rows that were read with a limit of one more than the page has. */
export function toPage<Row extends { id: string }>(
  found: (Row & { sort_key: string | null })[],
  limit: number,
): Page<Row> {
  const shown = found.slice(0, limit)
  const last = found.length > limit ? shown.at(-1) : undefined
  return {
    rows: shown.map(withoutKey),
    end: last ? { key: last.sort_key, id: last.id } : null,
  }
}

function withoutKey<Row extends object>(found: Row & { sort_key?: string | null }): Row {
  const row = { ...found }
  delete row.sort_key
  return row
}
