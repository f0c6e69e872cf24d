import { mkdirSync } from 'node:fs'
import t from 'tap'
import { openBrowser, openPage } from '../support/browser.js'
import { testDatabase } from '../support/database.js'
import { freePort, startServer } from '../support/server-process.js'
import { openidProvider } from '../support/social/openid-provider.js'

const password = 'correct horse battery'
const screenshots = process.env.SCREENSHOTS
if (screenshots) mkdirSync(screenshots, { recursive: true })

const settings = {
  phone: { javaScriptEnabled: false, viewport: { width: 390, height: 844 } },
  desktop: { javaScriptEnabled: true, viewport: { width: 1280, height: 800 } },
}

for (const [name, options] of Object.entries(settings)) {
  t.test(`log in by a provider, connect and disconnect it, on a ${name}`, async (t) => {
    const PORT = String(await freePort())
    const publicUrl = `http://127.0.0.1:${PORT}`
    const { env } = await openidProvider(t, publicUrl)
    const DATABASE_URL = await testDatabase(t)
    await startServer(t, { PORT, PUBLIC_URL: publicUrl, DATABASE_URL, ...env })
    const { page, complaints } = await openPage(await openBrowser(t), options)
    const heading = () => page.locator('h1').innerText()
    const status = () => page.locator('[role=status]').innerText()
    const press = (button: string) => page.getByRole('button', { name: button }).click()
    const shoot = async (what: string) => {
      if (!screenshots) return
      await page.screenshot({ path: `${screenshots}/social-${name}-${what}.png`, fullPage: true })
    }

    await page.goto(`${publicUrl}/login?next=%2Fwelcome`)
    await shoot('login')
    await page.getByRole('link', { name: 'Continue with Example ID' }).click()
    await press('Ada')
    t.equal(await heading(), 'Welcome, Ada!')
    t.equal(await status(), 'You are logged in.', 'no "Welcome back" at the first login')
    await shoot('welcome')
    await press('Disconnect Example ID')
    t.equal(
      await page.locator('[role=alert]').innerText(),
      'This is the only way to log in: set a password first.',
    )
    await shoot('last-way')
    await page.context().clearCookies() // the provider remembers Ada, too

    await page.goto(`${publicUrl}/register`)
    await page.getByLabel('E-mail address').fill('grace@example.org')
    await page.getByLabel('Password').fill(password)
    await press('Register')
    await page.goto(`${publicUrl}/welcome`)
    await press('Connect Example ID')
    await press('Grace')
    t.equal(await status(), 'Connected: you can log in that way from now on.')
    await shoot('connected')
    await press('Disconnect Example ID')
    t.equal(await status(), 'Disconnected.')
    t.same(complaints, [])
  })
}
