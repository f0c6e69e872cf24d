import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { behindManyHosts, type Proxy } from './many-hosts.js'
import { cookiesOf, logIn, openSecurePage } from './many-hosts-pages.js'

/** A page of an app that somebody has logged in to, whose token is old after five seconds. */
export async function withShortTokens(t: Test, proxy: Proxy) {
  const { origins, sql } = await behindManyHosts(t, proxy, { ACCESS_TOKEN_TTL: '5s' })
  const { app1 } = origins
  const { page, context } = await openSecurePage(t)
  await page.goto(`${app1}/`)
  await logIn(page)
  await page.waitForURL(`${app1}/`)
  const token = async () => (await cookiesOf(context, app1))['__Host-gatehouse']
  const generation = async () =>
    (await sql<{ generation: number }>('select generation from sessions where host is not null'))[0]
      ?.generation
  /** A script of the page posts, so many times at once. */
  const postFrom = (count: number) =>
    page.evaluate(
      async (times) =>
        Promise.all(
          Array.from({ length: times }, async () => {
            const { status, headers } = await fetch('/x', { method: 'POST', body: 'x' })
            return [status, headers.get('cache-control')]
          }),
        ),
      count,
    )

  /** Twenty scripts post after so many seconds. Returns the token that they got. */
  async function comesThrough(t: Test, seconds: number) {
    const [old, before] = [await token(), (await generation()) ?? 0]
    await sleep(seconds * 1_000)
    const answers = await postFrom(20)
    t.equal(
      answers.filter(([status]) => status === 200).length,
      20,
      `${proxy}, after ${seconds} seconds`,
    )
    t.ok(answers.some(([, cached]) => cached === 'no-store'))
    t.equal(await generation(), before + 1, 'twenty requests at once renew the session once')
    const renewed = await token()
    t.not(renewed, old)
    t.strictSame(await postFrom(1), [[200, null]], 'nothing to renew')
    t.equal(await token(), renewed)
    return renewed
  }

  return { page, app1, token, comesThrough }
}
