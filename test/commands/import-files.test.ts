import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openCsv } from '../../src/commands/sources/csv.js'
import { openNdjson } from '../../src/commands/sources/files.js'
import type { Source } from '../../src/commands/sources/source.js'
import { temporaryFolder } from '../support/folder.js'
import { random } from '../support/random.js'

const folder = temporaryFolder(t)
let files = 0

async function rowsOf(open: (path: string) => Promise<Source>, text: string | Buffer) {
  files += 1
  const path = join(await folder, `users-${files}`)
  await writeFile(path, text)
  const source = await open(path)
  const rows: { place: number; values?: Record<string, unknown>; fault?: string }[] = []
  for await (const row of source.rows) rows.push(row)
  await source.close()
  // Refused rows come before the batch that they stand in.
  return rows.sort((a, b) => a.place - b.place)
}

const csv = (text: string | Buffer) => rowsOf(openCsv, text)
const values = (rows: Awaited<ReturnType<typeof csv>>) =>
  rows.map((row) => row.values?.email ?? row.fault)

t.test('quotes, line breaks, marks and encodings of CSV', async (t) => {
  const expected = [
    { place: 2, values: { email: 'a@x.org', name: 'say "hi", all' } },
    { place: 3, values: { email: 'b@x.org', name: 'two\nlines' } },
    { place: 5, values: { email: 'c@x.org', name: 'é' } },
  ]
  const text = 'email,name\r\na@x.org,"say ""hi"", all"\r\nb@x.org,"two\r\nlines"\r\n\r\nc@x.org,é'
  t.strictSame(await csv(text), [...expected.slice(0, 2), { ...expected[2], place: 6 }])
  const plain = text.replaceAll('\r', '').replace('\n\n', '\n')
  t.strictSame(await csv(plain), expected)
  t.strictSame(await csv(`\u{feff}${plain}`), expected)
  t.strictSame(await csv(Buffer.from(`\u{feff}${plain}`, 'utf16le')), expected)
  for (const delimiter of [';', '\t']) {
    t.strictSame(await csv(plain.replaceAll(/(?<=l|org),/g, delimiter)), expected)
  }
  t.strictSame(await csv(''), [])
  t.strictSame(await csv('email,name'), [])
})

t.test('a broken row takes no other row with it', async (t) => {
  const wrong = 'A quote is in a wrong place, or never closed.'
  t.strictSame(values(await csv('email,n\n1,x"y\n2,\n3,"open\n4,a\n5,"b"\n6,c"')), [
    wrong,
    '2',
    wrong,
    '4',
    '5',
    wrong,
  ])
  t.strictSame(values(await csv('email,n\n1\n2,a,b\n3,')), [
    'The row has 1 fields, and the header has 2.',
    'The row has 3 fields, and the header has 2.',
    '3',
  ])
  const big = 'x'.repeat(10_000_000)
  t.strictSame(values(await csv(`email,n\n1,a\n2,${big}\n3,"${big}"\n4,b`)), [
    '1',
    'The row is longer than 1 MB.',
    'The row is longer than 1 MB.',
    '4',
  ])
  const lines = Array.from({ length: 60_000 }, (_, at) => `${at},${'y'.repeat(20)}`)
  lines[5] = '5,"never closed'
  const many = values(await csv(['email,n', ...lines].join('\n')))
  t.equal(many.length, 60_000)
  t.strictSame(
    many.filter((value) => value === wrong),
    [wrong],
  )
})

t.test('every line of a damaged CSV file is a row or is named', async (t) => {
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const next = random(seed)
  const upTo = (limit: number) => Math.floor(next() * limit)
  const pieces = ['"', '""', ',', '\n', '\r\n', ';', 'a', '=1+1', '\u{fffd}', '\0', ' ', "'", '\\']
  for (let round = 0; round < 300; round += 1) {
    const lines = Array.from({ length: 20 }, (_, at) => `id${at},name ${at}`)
    for (let damage = 0; damage < 4; damage += 1) {
      const at = upTo(lines.length)
      const line = lines[at] ?? ''
      const cut = upTo(line.length)
      lines[at] = line.slice(0, cut) + String(pieces[upTo(pieces.length)]) + line.slice(cut)
    }
    const text = ['email,name', ...lines].join('\n')
    const rows = await csv(text)
    const starts = new Set(rows.map(({ place }) => place))
    const physical = text.split('\n').length
    // A line belongs to the row that begins on it, or to a row of several lines before it.
    let covered = 1
    for (const { place, values: row } of rows) {
      const breaks = row ? Object.values(row).join('').split('\n').length - 1 : 0
      covered = Math.max(covered, place + breaks)
    }
    const blank = text.split('\n').filter((line) => line.trim() === '').length
    if (covered < physical - blank || starts.size !== rows.length) t.fail(JSON.stringify(text))
  }
  t.pass()
})

t.test('each line of NDJSON is an object or is named', async (t) => {
  const big = `{"email":"${'x'.repeat(2_000_000)}"}`
  const text = ['\u{feff}{"email":"a"}', '', '[1]', '{"email":', big, 'null', '{"email":"z"}']
  t.strictSame(values(await rowsOf(openNdjson, text.join('\n'))), [
    'a',
    'The line is not a JSON object.',
    'The line is not a JSON object.',
    'The line is longer than 1 MB.',
    'The line is not a JSON object.',
    'z',
  ])
})
