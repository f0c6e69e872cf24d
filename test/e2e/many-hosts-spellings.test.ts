import t, { type Test } from 'tap'
import { ada } from '../support/app.js'
import { behindManyHosts, send, type Proxy } from '../support/many-hosts.js'

for (const proxy of ['nginx', 'caddy', 'haproxy'] as const) {
  t.test(`${proxy}: no spelling of a request gives a cookie away`, async (t) => {
    const { origins, apps, cookie } = await loggedIn(t, proxy)
    const { app1, app2 } = origins
    const [host1, host2] = [new URL(app1).host, new URL(app2).host]

    await t.test('to another app', async (t) => {
      const { hostname } = new URL(app2)
      const to = async (target: string, host: string) =>
        (await send(app1, target, { headers: { host, cookie } })).status
      t.equal(await to('/', host1), 200)
      for (const [target, host] of [
        ['/', host2],
        [`${app2}/`, host1], // RFC 9112 §3.2.2: the absolute form decides, and Host is ignored
        [`https://${hostname}/`, host1],
        [`${app2}/forward-auth`, host1],
        ['/', `${host1},${host2}`],
        ['/', `${hostname}.`],
      ] as const) {
        const status = await to(target, host)
        t.ok(status >= 400 || apps[1]!.seen.length === 0, `${target} at ${host}: ${status}`)
      }
      t.strictSame(apps[1]!.seen, [], 'the other app was asked nothing')
    })

    await t.test('to the server of the app', async (t) => {
      const token = cookie.slice('__Host-gatehouse='.length)
      for (const sent of [
        `__Host-gatehouse =${token}`,
        `a=1; __Host-gatehouse\t= ${token}; b=2`,
        `__Host-gatehouse =${token}; __Host-gatehouse_login =x`,
        `;; ;__Host-gatehouse=${token};;`,
      ]) {
        const { status } = await send(app1, '/', { headers: { cookie: sent } })
        t.equal(status, 200, sent.slice(0, 24))
        t.notMatch(JSON.stringify(apps[0]!.seen.at(-1)), 'gatehouse')
      }
    })
  })
}

/** A browser that has logged in to app1, and its cookie there. */
async function loggedIn(t: Test, proxy: Proxy) {
  const setting = await behindManyHosts(t, proxy)
  const { auth, app1 } = setting.origins
  const cookieOf = ({ headers }: Awaited<ReturnType<typeof send>>) =>
    [headers['set-cookie'] ?? []]
      .flat()
      .map((line) => line.split(';')[0])
      .join('; ')
  const open = async (url: string, cookie = '') => {
    const { origin, pathname, search } = new URL(url)
    const headers = { accept: 'text/html', ...(cookie && { cookie }) }
    return send(origin, pathname + search, { headers })
  }
  const login = await send(auth, '/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ada),
  })
  const begun = await open(`${app1}/forward-auth/login`)
  const admitted = await open(String(begun.headers.location), cookieOf(login))
  const done = await open(String(admitted.headers.location), cookieOf(begun))
  return { ...setting, cookie: cookieOf(done) }
}
