import { mkdirSync } from 'node:fs'
import t from 'tap'
import { violationsOf } from '../support/axe.js'
import { listeningApp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'

const screenshots = process.env.SCREENSHOTS
if (screenshots) mkdirSync(screenshots, { recursive: true })

const desktop = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' } as const
const phone = {
  viewport: { width: 360, height: 740 },
  isMobile: true,
  hasTouch: true,
  colorScheme: 'dark',
} as const

for (const [device, shape] of Object.entries({ desktop, phone })) {
  t.test(`the API reference on a ${device}, ${shape.colorScheme}`, async (t) => {
    const { origin } = await listeningApp(t)
    const { page, complaints } = await openPage(await openBrowser(t), shape)
    const shoot = async (what: string) => {
      const path = `${screenshots}/reference-${device}-${what}.png`
      if (screenshots) await page.screenshot({ path })
    }
    await page.goto(`${origin}/docs`)
    t.equal(await page.locator('h1').innerText(), 'API reference')
    await shoot('start')
    await page.goto(`${origin}/docs#post-api-login`)
    const email = page.locator('#post-api-login').getByText('email', { exact: true })
    t.ok(await email.first().isVisible(), 'a link to an operation opens it')
    t.ok(await page.getByText('/api/login', { exact: true }).first().isVisible())
    await shoot('operation')

    await page.evaluate("document.querySelectorAll('details').forEach((it) => (it.open = true))")
    const width = await page.evaluate('document.documentElement.scrollWidth')
    t.equal(width, shape.viewport.width, 'nothing is wider than the screen')
    t.strictSame(await violationsOf(page), [], 'axe finds no violation')
    t.strictSame(complaints, [])
  })
}

t.test('the API reference works without JavaScript, from one request', async (t) => {
  const { origin } = await listeningApp(t)
  const { page, complaints } = await openPage(await openBrowser(t), { javaScriptEnabled: false })
  const requests: string[] = []
  page.on('request', (request) => requests.push(new URL(request.url()).pathname))
  await page.goto(`${origin}/docs`)
  const operation = page.locator('details', { hasText: '/api/register' }).first()
  const example = operation.getByText('http http://localhost:3000/api/register', { exact: false })
  t.equal(await example.isVisible(), false)
  await operation.locator('summary').click()
  t.equal(await example.isVisible(), true)
  t.strictSame(
    requests.filter((path) => path !== '/favicon.ico'),
    ['/docs'],
    'one request brings all of it',
  )
  t.strictSame(complaints, [])
})
