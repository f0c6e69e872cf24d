import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { interruptibleDatabase } from '../../support/interruptible-database.js'
import { startServer } from '../../support/server-process.js'
import { until } from '../../support/until.js'

type Line = { level: string; msg: string; ms?: number }

for (const sync of ['listen', 'poll']) {
  t.test(
    `${sync}: an outage has a warning without a stack, and a line that it is over`,
    async (t) => {
      const database = await interruptibleDatabase(t)
      const env = { DATABASE_URL: database.url, DENYLIST_SYNC: sync }
      const { output } = await startServer(t, env)
      await sleep(500)
      const from = output().length
      const since = performance.now()
      await database.stop()
      await sleep(4_000)
      await database.start()
      await until(async () => output().includes('database answers again'), 'the end of the outage')
      const passed = performance.now() - since
      await sleep(2_500)

      const text = output().slice(from)
      const lines = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
      t.notMatch(text, /"stack"/)
      t.same(
        lines.filter(({ level }) => level !== 'info').map(({ msg }) => msg),
        ['database lost, retrying'],
      )
      t.match(lines[0], { level: 'warn', address: /^127\.0\.0\.1:\d+$/ })
      const [end] = lines.filter(({ msg }) => msg === 'database answers again')
      t.ok(end?.ms && end.ms >= 4_000 && end.ms <= passed + 500, `${String(end?.ms)} ms`)
      t.equal(lines.filter(({ level }) => level === 'info').length, 2, text)
    },
  )
}
