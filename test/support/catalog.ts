import type pg from 'pg'

type Column = { type: string; is_required: boolean; has_default: boolean }
type Constraint = {
  name: string
  table: string
  definition: string
  columns: string[]
  /** The table that a foreign key forbids to delete from. */
  restricts: string | null
}

/** What statements of a release rely on. */
export type Catalog = {
  columns: Map<string, Column>
  /** And unique indexes. */
  constraints: Map<string, Constraint>
  /** Functions and triggers. */
  objects: Set<string>
}

const columns = `
  select format('%s.%s', c.relname, attname) as name, format_type(atttypid, atttypmod) as type,
    attnotnull as is_required, atthasdef or attidentity <> '' as has_default
  from pg_attribute join pg_class c on c.oid = attrelid
  where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped`

const constraints = `
  select conname as name, conrelid::regclass::text as table, pg_get_constraintdef(oid) as definition,
    array(select attname::text from pg_attribute where attrelid = conrelid and attnum = any (conkey)) as columns,
    case when contype = 'f' and confdeltype in ('a', 'r') then confrelid::regclass::text end as restricts
  from pg_constraint
  where connamespace = 'public'::regnamespace and contype in ('c', 'f', 'p', 'u', 'x')
  union all
  select indexrelid::regclass::text, indrelid::regclass::text, pg_get_indexdef(indexrelid),
    array(select attname::text from pg_attribute where attrelid = indrelid and attnum = any (indkey)), null
  from pg_index
  where indisunique and indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
    and not exists (select from pg_constraint where conindid = indexrelid)`

const objects = `
  select 'function ' || oid::regprocedure as name from pg_proc where pronamespace = 'public'::regnamespace
  union all
  select format('trigger %s of %s', tgname, tgrelid::regclass) from pg_trigger where not tgisinternal`

export async function catalogOf(client: pg.Client): Promise<Catalog> {
  const rows = async <Row>(text: string) => (await client.query(text)).rows as Row[]
  const byName = <Row extends { name: string }>(list: Row[]) =>
    new Map(list.map((row) => [row.name, row]))
  return {
    columns: byName(await rows<Column & { name: string }>(columns)),
    constraints: byName(await rows<Constraint>(constraints)),
    objects: new Set((await rows<{ name: string }>(objects)).map(({ name }) => name)),
  }
}

/**
 * What a release that knows `before` may miss or violate in `after`: empty if the change only expanded the
 * schema. A constraint that was replaced by a wider one is reported too, since SQL does not say which is wider.
 */
export function contractions(before: Catalog, after: Catalog): string[] {
  const tables = new Set([...before.columns.keys()].map(tableOf))
  return [...columnFaults(), ...constraintFaults(), ...objectFaults()]

  function* columnFaults() {
    for (const [name, old] of before.columns) {
      const column = after.columns.get(name)
      if (!column) yield `${name} is gone`
      else if (column.type !== old.type) yield `${name} is ${column.type}, and was ${old.type}`
      else if (column.is_required && !old.is_required) yield `${name} is not null`
      else if (old.has_default && !column.has_default) yield `${name} has no default`
    }
    for (const [name, column] of after.columns) {
      if (before.columns.has(name) || !tables.has(tableOf(name))) continue
      if (column.is_required && !column.has_default) yield `${name} is new and not null`
    }
  }

  function* constraintFaults() {
    for (const [name, { table, definition, columns, restricts }] of after.constraints) {
      if (before.constraints.get(name)?.definition === definition) continue
      const binds =
        tables.has(table) && columns.every((column) => before.columns.has(`${table}.${column}`))
      if (binds) yield `${name} is new on ${table}`
      if (restricts !== null && tables.has(restricts)) yield `${name} keeps rows of ${restricts}`
    }
  }

  function* objectFaults() {
    for (const name of before.objects) if (!after.objects.has(name)) yield `${name} is gone`
    // `on conflict` needs the key that it names.
    for (const [name, { definition }] of before.constraints) {
      const isKey = /^(primary key|unique|create unique)/i.test(definition)
      if (isKey && !after.constraints.has(name)) yield `${name} is gone`
    }
  }
}

const tableOf = (column: string) => column.slice(0, column.indexOf('.'))
