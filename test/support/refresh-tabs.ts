import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { ada, listeningApp, signUp } from './app.js'

type Options = { browsers: number; tabs: number; rounds: number }

/**
 * Tabs of a browser refresh by the cookie that they share, each at moments of its own, which is how
 * answers come in another order than their requests. No refresh may be refused.
 */
export async function refreshTabs(
  t: Test,
  chromium: Browser,
  { browsers, tabs, rounds }: Options,
): Promise<void> {
  const { app, origin, sql } = await listeningApp(t)
  await signUp(app)
  const statuses = await Promise.all(
    Array.from({ length: browsers }, async () => {
      const context = await chromium.newContext()
      // A page of a frontend: those of the service itself run no script.
      const frontend = `${origin}/frontend`
      await context.route(frontend, (route) =>
        route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Frontend</title>' }),
      )
      const first = await context.newPage()
      await first.goto(frontend)
      await first.evaluate(
        `fetch('/api/login', { method: 'POST', headers: { 'content-type': 'application/json' },
           body: ${JSON.stringify(JSON.stringify(ada))} })`,
      )
      const others = Array.from({ length: tabs - 1 }, () => context.newPage())
      const pages = [first, ...(await Promise.all(others))]
      await Promise.all(pages.slice(1).map((page) => page.goto(frontend)))
      const found = await Promise.all(
        pages.map((page) =>
          page.evaluate<number[]>(`(async () => {
            const statuses = []
            for (let round = 0; round < ${rounds}; round += 1) {
              const { status } = await fetch('/api/refresh', { method: 'POST' })
              statuses.push(status)
              if (Math.random() < 0.2) statuses.push((await fetch('/api/user')).status)
              await new Promise((resolve) => setTimeout(resolve, Math.random() * 500))
            }
            return statuses
          })()`),
        ),
      )
      await context.close()
      return found.flat()
    }),
  )
  const counts: Record<number, number> = {}
  for (const status of statuses.flat()) counts[status] = (counts[status] ?? 0) + 1
  delete counts[503] // a busy machine; it logs nobody out
  t.same(Object.keys(counts), ['200'], JSON.stringify(counts))
  const rows = await sql<{ generation: number }>('select * from sessions order by generation')
  t.equal(rows.length, browsers + 1, 'no session has ended')
  t.same(await sql(`select event from audit_log where event like 'session.%'`), [])
  t.comment(`${statuses.flat().length} requests, ${rows.at(-1)?.generation} generations`)
}
