import t from 'tap'
import { isAlarm, logLines } from '../../scripts/docs/log.js'
import { meanings, notes } from '../../scripts/docs/log-lines.js'

t.test('every line at warn or above says what it means, and what to do', async (t) => {
  const texts = logLines().flatMap(({ level, text }) => (isAlarm(level) ? [text] : []))
  t.ok(texts.length > 25, `${texts.length} lines`)
  t.same(
    texts.filter((text) => !meanings[text]),
    [],
    'without a meaning in scripts/docs/log-lines.ts',
  )
  t.same(
    Object.keys(meanings).filter((text) => !texts.includes(text)),
    [],
    'with a meaning, but not written',
  )
  const others = logLines().flatMap(({ level, text }) => (isAlarm(level) ? [] : [text]))
  t.same(
    Object.keys(notes).filter((text) => !others.includes(text)),
    [],
    'with a note, but not written',
  )
})

t.test('no line has the name of a variable for its text', async (t) => {
  t.same(
    logLines().filter(({ text }) => text.startsWith('`')),
    [],
  )
})

t.test('the fields of a line are found where it is made', async (t) => {
  const fieldsOf = (wanted: string, at: string) =>
    logLines().find(({ text, level }) => text === wanted && level === at)?.fields
  t.same(fieldsOf('request', 'info'), ['reqId', 'req', 'status', 'ms'])
  t.same(fieldsOf('answered 503', 'warn'), ['count', 'by', 'code', 'reason', 'err'])
})
