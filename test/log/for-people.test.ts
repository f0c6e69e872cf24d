import t from 'tap'
import { createOutputForPeople } from '../../src/log/for-people.js'
import { createLogger } from '../../src/log/logger.js'

/** What a terminal gets, without the time of day. */
function printed(write: (log: ReturnType<typeof createLogger>) => void, colour = false): string {
  let text = ''
  const to = { write: (line: string) => void (text += line) }
  write(createLogger('trace', createOutputForPeople(to, { colour })))
  return text.replaceAll(/\d\d:\d\d:\d\d/g, 'TIME')
}

t.test('a line has the time of day, the level, the message and its fields', (t) => {
  t.equal(
    printed((log) => log.info({ address: 'http://127.0.0.1:3000', count: 2 }, 'listening')),
    'TIME info  listening address=http://127.0.0.1:3000 count=2\n',
  )
  const link = `http://localhost:3000/reset?code=${'x'.repeat(100)}`
  t.equal(
    printed((log) => log.info({ to: 'ada@example.org', link }, 'message not sent')),
    `TIME info  message not sent\n  to=ada@example.org\n  link=${link}\n`,
  )
  t.end()
})

t.test('a request is one short line, with its id only if the service failed', (t) => {
  const req = { method: 'POST', url: '/api/login?token=hunter2', ip: '::1' }
  const line = (status: number) =>
    printed((log) => log.info({ reqId: 'id-1', req, status, ms: 14 }, 'request'))
  t.equal(line(200), 'TIME info  POST /api/login 200 14 ms\n')
  t.equal(line(500), 'TIME info  POST /api/login 500 14 ms reqId=id-1\n')
  t.end()
})

t.test('an error has its causes and its stack', (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const err = Object.assign(new Error('it failed', { cause }), { secret: 'hunter2' })
  const text = printed((log) => log.error({ err }, 'uncaught error, stopping'))
  t.match(text, /^TIME error uncaught error, stopping\n {2}Error: it failed\n {4}at .*for-people/)
  t.match(text, /\n {4}Error: connect ECONNREFUSED \(ECONNREFUSED\)\n {6}at /)
  t.notMatch(text, 'hunter2')
  t.end()
})

t.test('no text can move the cursor, change colours or start a line', (t) => {
  const evil = 'a\u001b[2J\r\nTIME info  forged\u202e\u009b'
  const err = new Error(evil)
  const text = printed((log) => {
    log.warn({ name: evil, err, list: [evil] }, evil)
    log.info({ req: { method: evil, url: evil }, status: 200, ms: 1 }, 'request')
  })
  t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  t.equal(text.match(/^TIME/gm)?.length, 2)
  t.end()
})

t.test('colours are codes around the text, and can be left out', (t) => {
  t.match(
    printed((log) => log.warn('careful'), true),
    '\u001b[33mwarn \u001b[0m careful',
  )
  t.notMatch(
    printed((log) => log.warn('careful')),
    '\u001b',
  )
  t.end()
})
