import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

/** Where SQL may stand besides `db/`, `repository.ts` and `*-repository.ts`. */
const parts = [
  // These read databases of other systems.
  'commands/sources/databases.ts',
  'commands/sources/sqlite.ts',
  'features/denylist/statements.ts',
  'features/sessions/endings.ts',
  'features/sessions/rotations.ts',
  'features/sessions/session-sql.ts',
  'features/users/columns.ts',
]

/** A text that begins as a statement does. */
const statement =
  /['"`]\s*(select|with \w+ as|insert into|update \w+( \w)? set|delete from|truncate|listen|notify|(create|drop|alter) (table|schema|database)) /

const mayHold = (name: string) => name.startsWith('db/') || /(^|[/-])repository\.ts$/.test(name)

t.test('SQL stands in repositories and in db/ alone', async (t) => {
  const src = new URL('../../src/', import.meta.url)
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  const found = names.filter((name) => statement.test(readFileSync(new URL(name, src), 'utf8')))
  t.ok(found.includes('features/users/repository.ts'), 'the pattern finds statements')
  t.same(found.filter((name) => !mayHold(name) && !parts.includes(name)).sort(), [])
})
