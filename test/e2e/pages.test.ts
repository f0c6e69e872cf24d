import { mkdirSync } from 'node:fs'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { listeningApp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'

const password = 'correct horse battery'
const screenshots = process.env.SCREENSHOTS
if (screenshots) mkdirSync(screenshots, { recursive: true })

async function visit(t: Test, options: Parameters<typeof openPage>[1], name: string) {
  const { origin } = await listeningApp(t)
  const browser = await openBrowser(t)
  const { page, complaints } = await openPage(browser, options)
  let count = 0
  const shoot = async (what: string) => {
    count += 1
    if (!screenshots) return
    await page.screenshot({ path: `${screenshots}/${name}-${count}-${what}.png`, fullPage: true })
  }
  const heading = () => page.locator('h1').innerText()
  const status = () => page.locator('[role=status]').innerText()
  const alert = () => page.locator('[role=alert]').innerText()
  const path = () => new URL(page.url()).pathname

  await page.goto(`${origin}/`)
  t.equal(await heading(), 'Hello, World!')
  await shoot('home')
  await page.getByRole('link', { name: 'Register' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill('Ada <b>Lovelace</b>')
  await page.getByLabel('E-mail address').fill('ada@example.org')
  await page.getByLabel('Password').fill('password123')
  await page.getByRole('button', { name: 'Register' }).click()
  t.equal(await alert(), 'The password is not acceptable.')
  t.equal(await page.getByLabel('Password').getAttribute('aria-invalid'), 'true')
  t.equal(await page.locator(':focus').getAttribute('name'), 'password', 'there it goes on')
  t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Ada <b>Lovelace</b>')
  await shoot('register')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Register' }).click()
  t.equal(path(), '/')
  t.match(await status(), 'Your account is ready, and you are logged in.')
  await shoot('registered')
  await page.getByRole('link', { name: 'Log out' }).click()

  await page.goto(`${origin}/welcome`)
  t.equal(path(), '/login')
  t.equal(await status(), 'Log in first, please.')
  await page.getByLabel('E-mail address, username or mobile number').fill('ada@example.org')
  await page.getByLabel('Password').fill('wrong horse battery')
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  t.equal(await alert(), 'Invalid credentials.')
  t.equal(await page.getByLabel('Password').inputValue(), '', 'a password is never sent back')
  await shoot('login')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  t.equal(path(), '/welcome', 'where it was going')
  t.equal(await heading(), 'Welcome, Ada <b>Lovelace</b>!')
  t.equal(await status(), 'Welcome back.')

  const buffer = await sharp({
    create: { width: 640, height: 480, channels: 3, background: '#36c' },
  })
    .png()
    .toBuffer()
  const file = { name: 'me.png', mimeType: 'image/png', buffer }
  await page.getByLabel('Picture').setInputFiles(file)
  await page.getByRole('button', { name: 'Set the picture' }).click()
  t.equal(await status(), 'Your picture was set.')
  const picture = page.getByAltText('Your picture')
  t.ok(await picture.isVisible())
  const { request } = page.context()
  const answer = await request.get(new URL((await picture.getAttribute('src'))!, origin).href)
  t.equal(answer.headers()['content-type'], 'image/webp')
  await shoot('welcome')

  await page.getByRole('link', { name: 'Log out' }).click()
  t.equal(path(), '/')
  t.equal(await status(), 'You have logged out.')
  await page.goto(`${origin}/welcome`)
  t.equal(path(), '/login')
  await page.goto(`${origin}/forgot`)
  await page.getByLabel('E-mail address or mobile number').fill('ada@example.org')
  await page.getByRole('button', { name: 'Send me a message' }).click()
  t.match(await status(), 'If there is an account')
  await shoot('forgot')
  t.same(complaints, [], 'no complaint of the browser, nor of its policy')
}

t.test('a person registers, logs in, sets a picture and logs out, on a desktop', (t) =>
  visit(t, { viewport: { width: 1280, height: 800 } }, 'desktop'),
)

t.test('the same without JavaScript, in the dark, on a phone', (t) =>
  visit(
    t,
    {
      javaScriptEnabled: false,
      viewport: { width: 360, height: 740 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      colorScheme: 'dark',
    },
    'phone',
  ),
)
