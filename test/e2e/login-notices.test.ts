import t from 'tap'
import { violationsOf } from '../support/axe.js'
import { openBrowser, openPage } from '../support/browser.js'
import { mailingApp } from '../support/smtp-sink.js'

const account = { email: 'ada@example.org', password: 'correct horse battery' }
const new_password = 'a better horse battery'
const browser = await openBrowser(t)

t.test('the owner of an account ends the login of a stranger, without a script', async (t) => {
  const service = await mailingApp(t)
  const { origin, sink } = service
  await service.activeAccount(account)
  await service.post('/api/login', account)

  const stranger = await openPage(browser)
  await stranger.page.goto(`${origin}/login?next=/welcome`)
  await stranger.page.getByLabel('E-mail address, username').fill(account.email)
  await stranger.page.getByLabel('Password').fill(account.password)
  await stranger.page.locator('main').getByRole('button', { name: 'Log in', exact: true }).click()
  await stranger.page.waitForURL(`${origin}/welcome`)

  const notice = await sink.next(account.email)
  t.equal(notice.subject, 'New login to your Gatehouse account')
  t.match(notice.text, /Chrome on Linux, from 127\.0\.0\.1/)
  const shape = { viewport: { width: 360, height: 740 }, isMobile: true, javaScriptEnabled: false }
  const { page, complaints } = await openPage(browser, shape)
  const text = () => page.locator('main').innerText()
  const button = page.getByRole('button', { name: 'This was not me', exact: true })
  const path = notice.link.slice(notice.link.indexOf('/not-me'))
  await page.goto(origin + path)
  t.match(await text(), /Chrome on Linux, from 127\.0\.0\.1/)
  await stranger.page.goto(`${origin}/welcome`)
  t.equal(stranger.page.url(), `${origin}/welcome`, 'opening the link changes nothing')

  await button.click()
  await page.getByText('We sent you a message').waitFor()
  await stranger.page.goto(`${origin}/welcome`)
  t.equal(new URL(stranger.page.url()).pathname, '/login', 'the stranger is out at once')
  t.equal((await service.post('/api/login', account)).status, 401)

  await page.goto(origin + path)
  t.match(await text(), /This was done already/)
  t.equal(await button.count(), 0)

  const { subject, link } = await sink.next(account.email)
  t.equal(subject, 'Choose a password for Gatehouse')
  await page.goto(origin + link.slice(link.indexOf('/reset')))
  await page.getByLabel('New password').fill(new_password)
  await page.getByRole('button', { name: 'Set the password' }).click()
  await page.getByText('Your password was changed').waitFor()
  const { status } = await service.post('/api/login', { ...account, password: new_password })
  t.equal(status, 200)
  t.strictSame(complaints, [])
})

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`axe finds nothing on the page of the link, ${colorScheme}`, async (t) => {
    const { activeAccount, origin, post, sink } = await mailingApp(t)
    await activeAccount(account)
    await post('/api/login', account)
    await fetch(`${origin}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'curl/8' },
      body: JSON.stringify(account),
    })
    const { token } = await sink.next(account.email)
    const { page } = await openPage(browser, { colorScheme })
    await page.goto(`${origin}/not-me?token=${token}`)
    t.strictSame(await violationsOf(page), [])
    await page.getByRole('button', { name: 'This was not me', exact: true }).click()
    await page.getByText('We sent you a message').waitFor()
    t.strictSame(await violationsOf(page), [])
  })
}
