import { createServer } from 'node:http'
import { build } from 'esbuild'
import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { openBrowser } from '../support/browser.js'
import { freePort } from '../support/server-process.js'
import { until } from '../support/until.js'

const minutes = 60_000

/** The client as a frontend has it, on the service's own origin. `passed` moves its clock. */
async function frontend() {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createClient } from '@gatehouse/client'
        globalThis.passed = 0
        globalThis.events = []
        globalThis.client = createClient({ now: () => Date.now() + globalThis.passed })
        client.subscribe((event) => events.push(event))`,
      resolveDir: '.',
    },
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false },
  })
  const script = outputFiles[0]?.text ?? ''
  return `<!doctype html><title>Frontend</title><script type="module">${script}</script>`
}

const browser = await openBrowser(t)
const body = await frontend()

async function open(context: BrowserContext, origin: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/frontend`)
  return page
}

t.test('the tabs of a browser share one refresh, and learn of each logout', async (t) => {
  const { app, origin } = await listeningApp(t)
  await signUp(app)
  for (const without of ['', 'navigator.locks', 'BroadcastChannel']) {
    const context = await browser.newContext()
    await context.route(`${origin}/frontend`, (route) =>
      route.fulfill({ contentType: 'text/html', body }),
    )
    if (without === 'navigator.locks')
      await context.addInitScript(`Object.defineProperty(navigator, 'locks', { value: undefined })`)
    if (without === 'BroadcastChannel')
      await context.addInitScript('globalThis.BroadcastChannel = undefined')
    const sent: string[] = []
    context.on('request', (request) => sent.push(new URL(request.url()).pathname))
    const count = (path: string) => sent.filter((each) => each === path).length
    const name = without === '' ? 'all' : `without ${without}`

    const first = await open(context, origin)
    await first.evaluate(`client.login(${JSON.stringify(ada)})`)
    const others = await Promise.all(
      Array.from({ length: without === '' ? 19 : 4 }, () => open(context, origin)),
    )
    const tabs = [first, ...others]
    const usersOf = () =>
      Promise.all(
        tabs.map((tab) => tab.evaluate<string | undefined>('client.user().then((u) => u?.email)')),
      )
    t.ok(
      (await usersOf()).every((email) => email === ada.email),
      `${name}: each tab is logged in`,
    )

    await Promise.all(tabs.map((tab) => tab.evaluate(`passed = ${String(16 * minutes)}`)))
    sent.length = 0
    t.ok(
      (await usersOf()).every((email) => email === ada.email),
      `${name}: and after a sleep`,
    )
    if (without === '') t.equal(count('/api/refresh'), 1)

    const stores = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
    t.equal(await first.evaluate(stores), '[{},{},""]', `${name}: no script stores a token`)

    await first.evaluate('client.logout()')
    const eventsOf = (tab: Page) => tab.evaluate<string[]>('events')
    if (without !== 'BroadcastChannel')
      await until(
        async () => (await Promise.all(tabs.map(eventsOf))).every((e) => e.at(-1) === 'logout'),
        'each tab to learn of the logout',
      )
    t.ok(
      (await usersOf()).every((email) => email === undefined),
      `${name}: each is logged out`,
    )
    await context.close()
  }
})

t.test('an upload in a browser tells its progress', async (t) => {
  const { app, origin } = await listeningApp(t)
  await signUp(app)
  const context = await browser.newContext()
  await context.route(`${origin}/frontend`, (route) =>
    route.fulfill({ contentType: 'text/html', body }),
  )
  const page = await open(context, origin)
  await page.evaluate(`client.login(${JSON.stringify(ada)})`)
  const told = await page.evaluate<{ sent: number; total: number }[]>(`(async () => {
    const told = []
    const onProgress = (sent, total) => told.push({ sent, total })
    await client.uploadReadme(new Blob(['# ' + 'long '.repeat(10_000)]), { onProgress })
    return told
  })()`)
  const last = told.at(-1)
  t.ok(last && last.sent > 50_000 && last.sent === last.total, JSON.stringify(last))
  const refused = await page.evaluate<string>(
    `client.uploadPicture(new Blob(['x']), { onProgress() {} }).catch((error) => error.code)`,
  )
  t.equal(refused, 'invalid_picture')
})

t.test('a page of another origin logs in, and stays logged in over a reload', async (t) => {
  const port = await freePort()
  const site = `http://127.0.0.1:${String(port)}`
  const { app, origin } = await listeningApp(t, { env: { CORS_ORIGINS: site } })
  await signUp(app)
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(body.replace('createClient({', `createClient({ url: '${origin}',`))
  }).listen(port, '127.0.0.1')
  t.teardown(() => server.close())
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(site)
  await page.evaluate(`client.login(${JSON.stringify(ada)})`)
  await page.reload()
  t.equal(await page.evaluate('client.user().then((user) => user?.email)'), ada.email)
})
