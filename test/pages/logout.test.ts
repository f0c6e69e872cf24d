import t, { type Test } from 'tap'
import { bearer, isRefused, logIn, signUp, testApp } from '../support/app.js'

const accepts = {
  'no Accept': undefined,
  anything: '*/*',
  'a picture': 'image/avif,image/webp,image/*,*/*;q=0.8',
  HTML: 'text/html,application/xhtml+xml,*/*;q=0.8',
}
const sites = [undefined, 'same-origin', 'same-site', 'cross-site', 'none']
const modes = [undefined, 'navigate', 'cors', 'no-cors']
const purposes = [{}, { 'sec-purpose': 'prefetch;prerender' }, { purpose: 'prefetch' }]

type Facts = { accept?: string | undefined; site?: string | undefined; mode?: string | undefined }

/** The expected rule, independent of the implementation. */
function logsOutAtOnce({ accept = '*/*', site, mode }: Facts, purpose: object): boolean {
  if (Object.keys(purpose).length > 0) return false
  if (accept.startsWith('text/html')) return site === 'same-origin' && mode === 'navigate'
  if (mode === 'no-cors') return false
  return site === undefined || site === 'same-origin' || site === 'none'
}

for (const by of ['cookie', 'bearer'] as const) {
  t.test(`GET /logout by ${by}: a browser gets a form, a script is logged out`, async (t) => {
    const { app } = await testApp(t)
    await signUp(app)
    let token = (await logIn(app)).access_token
    for (const [name, accept] of Object.entries(accepts)) {
      for (const site of sites) {
        for (const mode of modes) {
          for (const purpose of purposes) {
            const headers = {
              ...(by === 'cookie' ? { cookie: `session=${token}` } : bearer(token)),
              ...(accept !== undefined && { accept }),
              ...(site !== undefined && { 'sec-fetch-site': site }),
              ...(mode !== undefined && { 'sec-fetch-mode': mode }),
              ...purpose,
            }
            const { statusCode, body, cookies } = await app.inject({ url: '/logout', headers })
            const asks = /Do you want to log out\?[^]*<form method="post">/.test(body)
            const isDead = await isRefused(app, token)
            const atOnce = logsOutAtOnce({ accept, site, mode }, purpose)
            t.strictSame(
              { statusCode, asks, isDead, touchesCookies: cookies.length > 0 },
              {
                statusCode: atOnce ? 303 : 200,
                asks: !atOnce,
                isDead: atOnce,
                touchesCookies: atOnce,
              },
              `${name} ${site} ${mode} ${JSON.stringify(purpose)}`,
            )
            if (isDead) token = (await logIn(app)).access_token
          }
        }
      }
    }
  })
}

async function signedIn(t: Test) {
  const { app } = await testApp(t)
  await signUp(app)
  const token = (await logIn(app)).access_token
  const ask = async (headers: Record<string, string>) => {
    const all = { cookie: `session=${token}`, accept: 'text/html', ...headers }
    return (await app.inject({ url: '/logout', headers: all })).statusCode
  }
  return { app, token, ask }
}

t.test('an embedded /logout does not log the user out', async (t) => {
  const { ask } = await signedIn(t)
  const navigation = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }
  for (const dest of ['iframe', 'frame', 'embed', 'object']) {
    t.equal(await ask({ ...navigation, 'sec-fetch-dest': dest }), 200, dest)
  }
  t.equal(await ask({ ...navigation, 'sec-fetch-dest': 'document' }), 303)
})

t.test('a repeated Sec-Fetch-Site header does not count', async (t) => {
  const { ask } = await signedIn(t)
  for (const site of ['same-origin, cross-site', 'same-origin,same-origin', 'Same-Origin', '']) {
    t.equal(await ask({ 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' }), 200, site)
  }
})

t.test('GET /user/logout/ needs only the bearer token', async (t) => {
  const { app, token } = await signedIn(t)
  const page = { accept: 'text/html', 'sec-fetch-site': 'cross-site', 'sec-purpose': 'prefetch' }
  const byCookie = { ...page, cookie: `session=${token}` }
  t.equal((await app.inject({ url: '/user/logout/', headers: byCookie })).statusCode, 401)
  const byBearer = { ...page, ...bearer(token) }
  t.equal((await app.inject({ url: '/user/logout/', headers: byBearer })).statusCode, 200)
  t.equal(await isRefused(app, token), true)
})
