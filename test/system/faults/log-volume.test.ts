import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ada, bearer, type LoginAnswer } from '../../support/app.js'
import { testDatabase } from '../../support/database.js'
import { post, startServer } from '../../support/server-process.js'
import { tcpProxy } from '../../support/tcp-proxy.js'

type Line = { level: string; msg: string; count?: number; by?: Record<string, number> }

/** A server, a load of so many requests a second, and the lines that it logged meanwhile. */
async function underLoad(t: Test, perSecond: number, seconds: number, isOut: boolean) {
  const link = await tcpProxy(t, await testDatabase(t))
  const { origin, output } = await startServer(t, { DATABASE_URL: link.url })
  await post(`${origin}/api/register`, ada)
  const { body } = await post<LoginAnswer>(`${origin}/api/login`, ada)
  if (isOut) link.refuse()
  const from = output().length
  const asked: Promise<number>[] = []
  const start = performance.now()
  for (let count = 0; count < perSecond * seconds; count += 1) {
    await sleep(start + (count * 1_000) / perSecond - performance.now())
    const request =
      count % 2 || !isOut
        ? fetch(`${origin}/api/user`, { headers: bearer(isOut ? body.access_token : 'x.y.z') })
        : post(`${origin}/api/register`, { ...ada, email: `user-${count}@example.org` })
    asked.push(request.then(({ status }) => status))
  }
  const statuses = await Promise.all(asked)
  await sleep(1_100)
  const passed = (performance.now() - start) / 1_000
  const lines = output()
    .slice(from)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  return { statuses, lines, perSecond: lines.length / passed }
}

const sum = (lines: Line[], msg: string) =>
  lines.filter((line) => line.msg === msg).reduce((total, { count = 0 }) => total + count, 0)

t.test('in an outage the log has a few lines a second, which count every 503', async (t) => {
  const { statuses, lines, perSecond } = await underLoad(t, 55, 5, true)
  const failed = statuses.filter((status) => status === 503).length
  t.ok(failed > 100, `${failed} answers of 503`)
  t.equal(sum(lines, 'answered 503'), failed)
  t.ok(perSecond <= 10, `${perSecond.toFixed(1)} lines a second`)
  t.notMatch(JSON.stringify(lines), /stack/)
  t.match(
    lines.filter(({ msg }) => msg === 'answered 503'),
    [{ level: 'warn', by: {} }],
  )
})

t.test('a flood of refused requests does not flood the log, and is counted', async (t) => {
  const { statuses, lines, perSecond } = await underLoad(t, 150, 3, false)
  t.same(new Set(statuses), new Set([401]))
  const single = lines.filter(({ msg }) => msg === 'request').length
  const counted = sum(lines, 'further refused requests')
  t.equal(single + counted, statuses.length)
  t.ok(perSecond <= 25, `${perSecond.toFixed(1)} lines a second`)
})
