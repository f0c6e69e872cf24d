import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createLogger } from '../../../src/log/logger.js'
import { listeningApp, type TestApp } from '../../support/app.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { post, startServer } from '../../support/server-process.js'
import { hurry, mailingApp, smtpSink, type Mood } from '../../support/smtp-sink.js'
import { until } from '../../support/until.js'

const password = 'correct horse battery'
const isDelivered = async (sql: TestApp['sql']) => (await sql('select from outbox')).length === 0

t.test('a provider that is down neither slows nor loses anything', async (t) => {
  const moods: Mood[] = ['accepts', 'refuses', 'hangs', 450, 550]
  const services = []
  for (const mood of moods) {
    const service = await mailingApp(t)
    await service.sink.become(mood)
    services.push({ mood, service, times: [] as number[] })
  }
  const emails = Array.from({ length: 20 }, (_, n) => `user-${n}@example.org`)
  for (const [round, email] of emails.entries()) {
    const turns = [
      ...services.slice(round % moods.length),
      ...services.slice(0, round % moods.length),
    ]
    for (const { service, times } of turns) {
      const start = performance.now()
      const { status } = await service.post('/api/register', { email, password })
      times.push(performance.now() - start)
      if (status !== 201) t.fail(`registering answered ${status}`)
    }
  }
  const [good, ...bad] = services
  for (const { mood, service, times } of bad) {
    const ratio = median(times) / median(good!.times)
    // Who waits for a provider that hangs takes hundreds of times as long; a busy machine does not.
    t.ok(ratio < 2, `${mood}: takes ${ratio.toFixed(2)} times as long`)
    await until(
      async () => (await service.sql('select from outbox where attempts > 0')).length > 0,
      `a try`,
    )
    t.same(service.sink.mails, [], `${mood}: nothing was sent`)
    t.equal((await service.sql('select from outbox')).length, emails.length)
  }
  await Promise.all(
    bad.map(async ({ mood, service }) => {
      await service.sink.become('accepts')
      await service.hurry()
      await service.untilSent()
      const sent = service.sink.mails.map(({ to }) => to).sort()
      t.same(sent, emails.toSorted(), `${mood}: all of it arrived, once`)
    }),
  )
})

t.test('an SMS webhook that hangs does not hold up mail', async (t) => {
  let waiting = 0
  const webhook = createServer(() => (waiting += 1)).listen(0, '127.0.0.1')
  await once(webhook, 'listening')
  const { port } = webhook.address() as AddressInfo
  const { sink, post } = await mailingApp(t, {
    SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/`,
    SMS_WEBHOOK_SECRET: 'a-long-enough-Secret-of-the-webhook-9876543210',
  })
  t.teardown(() => webhook.close().closeAllConnections())
  for (let n = 10; n < 40; n += 1)
    await post('/api/register', { mobile: `+442079460${n}`, password })
  await until(() => waiting === 10, 'as many short messages as may to hang')
  for (const email of ['ada@example.org', 'bob@example.org']) {
    await post('/api/register', { email, password })
    t.match(await sink.next(email), { to: email })
  }
  t.equal(waiting, 10, 'they still hang')
  webhook.closeAllConnections()
})

t.test('what was not sent when the process was killed is sent by the next', async (t) => {
  const sink = await smtpSink(t)
  const url = await testDatabase(t)
  const sql: TestApp['sql'] = (text, values) => queryAt(url, text, values)
  const env = { DATABASE_URL: url, MAIL_URL: sink.url, ACTIVATION: 'required' }
  const email = 'ada@example.org'

  await sink.become('never confirms')
  const killed = await startServer(t, env)
  t.equal((await post(`${killed.origin}/api/register`, { email, password })).status, 201)
  const unconfirmed = await sink.next(email)
  killed.child.kill('SIGKILL')
  await killed.exited
  t.equal((await sql('select from outbox')).length, 1)

  await sink.become('accepts')
  await sql('update outbox set due_at = now()')
  const next = await startServer(t, env)
  const { id, code } = await sink.next(email)
  t.equal(id, unconfirmed.id.replace('.1@', '.2@'), 'the same message, tried once more')
  await until(() => isDelivered(sql), 'an empty outbox')
  t.equal(sink.mails.length, 2)
  t.equal((await post(`${next.origin}/api/activate`, { email, code })).status, 200)
})

t.test('two instances on one outbox send each message once', async (t) => {
  const sink = await smtpSink(t)
  const env = { MAIL_URL: sink.url, ACTIVATION: 'required' }
  const url = await testDatabase(t)
  const instances = [await listeningApp(t, { env, url }), await listeningApp(t, { env, url })]
  const emails = Array.from({ length: 60 }, (_, n) => `user-${n}@example.org`)
  const statuses = await Promise.all(
    emails.map(async (email, n) => {
      const { origin } = instances[n % 2]!
      return (await post(`${origin}/api/register`, { email, password })).status
    }),
  )
  t.same([...new Set(statuses)], [201])
  await until(() => isDelivered(instances[0]!.sql), 'an empty outbox')
  t.same(sink.mails.map(({ to }) => to).sort(), emails.toSorted())
  t.equal(new Set(sink.mails.map(({ id }) => id)).size, emails.length)
})

t.test('no code and no link is ever logged, sent or not', async (t) => {
  let log = ''
  const sink = await smtpSink(t)
  const env = { MAIL_URL: sink.url, ACTIVATION: 'required' }
  const logger = createLogger('trace', { write: (line: string) => void (log += line) })
  const { origin, sql } = await listeningApp(t, { env, logger })
  const email = 'ada@example.org'
  await post(`${origin}/api/register`, { email, password })
  const { token } = await sink.next(email)
  await fetch(`${origin}/activate?token=${token}`)
  await post(`${origin}/api/activate`, { token })
  await post(`${origin}/api/activate`, { token })
  await sink.become('never confirms')
  await post(`${origin}/api/password/forgot`, { email })
  const { code } = await sink.next(email)
  await post(`${origin}/api/password/reset`, { email, code, new_password: 'short' })
  await sink.become(550)
  await until(() => log.includes('message not sent, retrying'), 'a warning')
  await hurry(sql)
  await until(() => log.split('message not sent, retrying').length > 2, 'another warning')
  await sink.become('accepts')
  t.match(log, '/api/password/reset')
  for (const mail of sink.mails) {
    t.notOk(log.includes(mail.token))
    t.notOk(log.includes(mail.code))
  }
})

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
