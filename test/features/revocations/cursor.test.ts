import t from 'tap'
import { readCursor, shorten, writeCursor } from '../../../src/features/revocations/cursor.js'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'

t.test('what the database writes is read, and written as it was', (t) => {
  for (const text of ['1:1:', '730:738:730,735', '9223372036854775807:9223372036854775807:']) {
    t.same(readCursor(text), { snapshot: text })
    const paged = `${text}~${id}`
    t.same(readCursor(paged), { snapshot: text, last: id })
    t.equal(writeCursor(readCursor(paged)!), paged)
    const dated = `${'0a'.repeat(16)}.${paged}`
    t.same(readCursor(dated), { history: '0a'.repeat(16), snapshot: text, last: id })
    t.equal(writeCursor(readCursor(dated)!), dated)
  }
  t.end()
})

t.test('what the database could not read is no cursor', (t) => {
  const bad = [
    ...['', ':', '::', '1', '1:1', '0:1:', '1:0:', '2:1:', '01:1:', '-1:1:', '1:1:1', '1:3:3'],
    ...['2:4:1', '1:4:3,2', '1:4:2,2', '1:4:2,', '1:4:,2', '1:4: 2', ' 1:4:', '1:4:\n', '1:4:;'],
    ...["1:4:'", '1:4:)', '1:4:2~', `1:4:2~${id}0`, `1:4:2~${id.toUpperCase()}`, `~${id}`],
    ...[`1:4:2~${id}~${id}`, '99999999999999999999:99999999999999999999:', '१:२:', '1e1:2e1:'],
    ...['.1:1:', `${'0a'.repeat(15)}.1:1:`, `${'0A'.repeat(16)}.1:1:`, `${'0a'.repeat(16)}1:1:`],
    `1:99999:${Array.from({ length: 400 }, (_, at) => at + 1).join(',')}`,
  ]
  for (const text of bad) t.equal(readCursor(text), undefined, JSON.stringify(text))
  t.end()
})

t.test('a snapshot that is too long becomes one that shows less', (t) => {
  const running = Array.from({ length: 400 }, (_, at) => 7_000 + at)
  const short = shorten(`7000:9000:${running.join(',')}`)
  t.equal(short, '7000:7000:')
  t.ok(readCursor(short))
  t.equal(shorten('7000:9000:7000,7001'), '7000:9000:7000,7001')
  t.end()
})
