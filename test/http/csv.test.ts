import t from 'tap'
import { toCsv } from '../../src/http/csv.js'

const cellOf = (value: unknown) => toCsv(['a'], [{ a: value }]).slice('a\r\n'.length, -2)

t.test('every line ends with CRLF, and the first has the names of the columns', (t) => {
  t.equal(toCsv(['id', 'name'], []), 'id,name\r\n')
  t.equal(
    toCsv(
      ['id', 'name'],
      [
        { name: 'Ada', id: 1, other: 'left out' },
        { id: 2, name: null },
      ],
    ),
    'id,name\r\n1,Ada\r\n2,\r\n',
  )
  t.end()
})

t.test('a cell with a comma, a quote or a line break is quoted (RFC 4180)', (t) => {
  const rows: [value: unknown, cell: string][] = [
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['two\r\nlines', '"two\r\nlines"'],
    [' space ', ' space '],
    [null, ''],
    [undefined, ''],
    [true, 'true'],
    [12, '12'],
    [['admin', 'user'], '"admin,user"'],
    [['user'], 'user'],
    [{ path: '/x', n: 1 }, '"{""path"":""/x"",""n"":1}"'],
  ]
  for (const [value, cell] of rows) t.equal(cellOf(value), cell, JSON.stringify(value))
  t.end()
})

t.test('a spreadsheet reads no cell as a formula', (t) => {
  const rows: [value: unknown, cell: string][] = [
    ['=1+1', `'=1+1`],
    ['+441632960960', `'+441632960960`],
    ['-1', `'-1`],
    ['@sum(a1)', `'@sum(a1)`],
    ['\t=1', `"\t'=1"`],
    ['\r=1', `"\r'=1"`],
    ['\n=1', `"\n'=1"`],
    [' =1', ` '=1`],
    ['\u00a0=1', `\u00a0'=1`],
    ['x;=1', `"x;'=1"`],
    ['x; =1;-2', `"x; '=1;'-2"`],
    ['x\t=1', `"x\t'=1"`],
    ['x\n@y', `"x\n'@y"`],
    ['＝1', `'＝1`],
    ['=a,"b"', `"'=a,""b"""`],
    [['=x', 'y'], `"'=x,y"`],
    ['a=1', 'a=1'],
    [`'quoted'`, `'quoted'`],
    ['2026-01-31', '2026-01-31'],
  ]
  for (const [value, cell] of rows) t.equal(cellOf(value), cell, JSON.stringify(value))
  t.equal(toCsv(['=a'], []), `'=a\r\n`)
  t.end()
})

t.test('a long text of separators and spaces takes no longer than its length', (t) => {
  const text = ';\n\t \u00a0'.repeat(40_000)
  const start = performance.now()
  const plain = 'abcde'.repeat(40_000)
  cellOf(plain)
  const usual = performance.now() - start
  cellOf(text)
  t.ok(performance.now() - start < 200 + usual * 100)
  t.end()
})
