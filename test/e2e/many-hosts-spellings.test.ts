import t from 'tap'
import { behindManyHosts, send } from '../support/many-hosts.js'
import { logInTo } from '../support/many-hosts-login.js'

for (const proxy of ['nginx', 'caddy', 'haproxy'] as const) {
  t.test(`${proxy}: no spelling of a request gives a cookie away`, async (t) => {
    const { origins, apps } = await behindManyHosts(t, proxy)
    const { auth, app1, app2 } = origins
    const cookie = await logInTo(app1, auth)
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
