import t from 'tap'
import { ada } from '../support/app.js'
import { openBrowser } from '../support/browser.js'
import { codeOf } from '../support/factors.js'
import { internal, passkeyPerson } from '../support/passkey-person.js'
import type { Setting } from '../support/virtual-authenticator.js'

const browser = await openBrowser(t)

const devices = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
}

const usb: Setting = { ...internal, transport: 'usb' }
const authenticators: Record<string, Setting> = {
  internal,
  'internal without resident keys': { ...internal, hasResidentKey: false },
  usb,
  'usb without user verification': { ...usb, hasUserVerification: false },
  'usb without resident keys': { ...usb, hasResidentKey: false },
  'usb with neither': { transport: 'usb', hasResidentKey: false, hasUserVerification: false },
}

for (const [device, shape] of Object.entries(devices)) {
  for (const [kind, setting] of Object.entries(authenticators)) {
    t.test(`a person adds a passkey and logs in by the button: ${kind}, ${device}`, async (t) => {
      const it = await passkeyPerson(t, browser, { setting, shape })
      await it.open('/login?next=/account')
      await it.fillPassword()
      await it.until('/account')
      if (setting.hasResidentKey && !setting.hasUserVerification) {
        // Chromium wants a PIN before such a key keeps a passkey.
        await it.open('/account/passkeys')
        await it.press('Add a passkey')
        await it.press('Make the passkey')
        t.match(await it.alert(), 'No passkey was used.')
        t.strictSame(it.complaints, [])
        return
      }
      await it.addPasskey()
      t.equal(await it.status(), 'The passkey was added.')
      t.equal(await it.authenticator.count(), 1)
      const name = setting.transport === 'usb' ? 'Security key' : 'Passkey'
      t.equal(await it.page.locator('h2').innerText(), name)
      await it.logOut()

      await it.open('/login?next=/account')
      await it.press('Log in with a passkey')
      if (!setting.hasResidentKey) {
        t.match(await it.alert(), 'No passkey was used.', 'it works only after the password')
        await it.fillPassword()
      }
      await it.until('/account')
      t.equal(await it.status(), 'Welcome back.')
      t.strictSame(it.complaints, [])
    })
  }

  t.test(`the browser offers the passkey in the username field, ${device}`, async (t) => {
    const it = await passkeyPerson(t, browser, { shape, hasOffers: true })
    await it.open('/login')
    await it.fillPassword()
    await it.addPasskey()
    await it.logOut()
    await it.open('/login?next=/account')
    await it.until('/account')
    t.equal(await it.status(), 'Welcome back.')
    t.strictSame(it.complaints, [])
  })

  for (const [kind, setting] of Object.entries(authenticators)) {
    if (setting.transport === 'internal' || kind === 'usb without user verification') continue
    t.test(`a security key is the second factor: ${kind}, ${device}`, async (t) => {
      const it = await passkeyPerson(t, browser, { setting, shape })
      const code = async () => {
        await it.sql('update totp_factors set last_step = 0')
        return codeOf(key)
      }
      await it.open('/login?next=/second-factor')
      await it.fillPassword()
      await it.press('Add an authenticator app')
      const key = await it.page.locator('code').innerText()
      await it.page.getByLabel('Code', { exact: true }).fill(codeOf(key))
      await it.press('Confirm')
      await it.logOut()

      await it.open('/login')
      await it.fillPassword()
      await it.page.getByLabel('Code', { exact: true }).fill(await code())
      await it.press('Log in')
      await it.addPasskey()
      await it.logOut()

      await it.open('/login?next=/account')
      await it.fillPassword()
      await it.press('Use a passkey')
      await it.until('/account')
      const [session] = await it.sql<{ amr: string[] }>(
        'select amr from sessions order by created_at desc limit 1',
      )
      t.strictSame(session?.amr, ['pwd', 'hwk', 'user', 'mfa'])
      t.strictSame(it.complaints, [])
    })
  }

  t.test(
    `a person renames and removes a passkey, but not the last way in, ${device}`,
    async (t) => {
      const it = await passkeyPerson(t, browser, { shape })
      await it.open('/login')
      await it.fillPassword()
      await it.addPasskey()
      await it.page.getByRole('textbox', { name: 'Name' }).fill('My laptop')
      await it.press('Rename Passkey')
      t.equal(await it.status(), 'The passkey was renamed.')
      t.equal(await it.page.locator('h2').innerText(), 'My laptop')
      await it.sql('update users set password_hash = null')
      await it.press('Remove My laptop')
      t.match(await it.alert(), 'This is the only way to log in')
      await it.sql(`update users set password_hash = 'x'`)
      await it.press('Remove My laptop')
      t.match(await it.status(), 'The passkey was removed.')
      t.ok(await it.page.getByText('You have no passkeys.').isVisible())
      t.strictSame(it.complaints, [])
    },
  )
}

t.test('a passkey that the account has already is not made again', async (t) => {
  const it = await passkeyPerson(t, browser)
  await it.open('/login')
  await it.fillPassword()
  await it.addPasskey()
  await it.press('Add a passkey')
  await it.press('Make the passkey')
  t.equal(await it.alert(), 'Your account has this passkey already.')
  t.equal(await it.authenticator.count(), 1)
})

t.test('whatever fails at the login, the page says so and works on', async (t) => {
  const it = await passkeyPerson(t, browser)
  await it.open('/login')
  await it.fillPassword()
  await it.addPasskey()
  await it.logOut()

  await it.open('/login?next=/account')
  await it.authenticator.setUserVerified(false)
  await it.press('Log in with a passkey')
  t.match(await it.alert(), 'No passkey was used.', 'the wrong finger')
  await it.authenticator.setUserVerified(true)

  const options = '**/api/login/passkey/options'
  await it.page.route(options, (route) => route.abort())
  await it.press('Log in with a passkey')
  t.equal(await it.alert(), 'The service did not answer. Try again.')
  await it.page.unroute(options)
  const busy = { status: 429, json: { status: 'error', message: 'Too many requests' } }
  await it.page.route(options, (route) => route.fulfill(busy))
  await it.press('Log in with a passkey')
  await it.page.getByText('Too many requests.').waitFor()
  await it.page.unroute(options)

  await it.sql(`update passkeys set credential_id = 'other'`)
  await it.press('Log in with a passkey')
  await it.until('/login/passkey')
  t.equal(await it.alert(), 'The passkey was not accepted: try again.')
  await it.press('Log in with a passkey')
  await it.page.waitForLoadState()
  t.equal(await it.alert(), 'The passkey was not accepted: try again.', 'and again')
  await it.fillPassword('wrong horse battery')
  t.equal(await it.alert(), 'Invalid credentials.')
  await it.fillPassword()
  await it.until('/account')
  t.strictSame(
    it.complaints.filter((line) => !line.includes('ERR_FAILED')),
    [],
  )
})

t.test('the offer gets fresh options before they expire, and fails in silence', async (t) => {
  const it = await passkeyPerson(t, browser, { hasOffers: true })
  let asked = 0
  const options = '**/api/login/passkey/options'
  it.page.on('request', (request) => {
    if (request.url().endsWith('/api/login/passkey/options')) asked += 1
  })
  await it.page.route(options, (route) => (asked === 2 ? route.abort() : route.continue()))
  const next = () => it.page.waitForRequest(options)
  await it.page.clock.install()
  await Promise.all([next(), it.open('/login')])
  for (const count of [2, 3, 4]) {
    await Promise.all([next(), it.page.clock.fastForward(240_000)])
    t.equal(asked, count)
  }
  t.equal(await it.page.locator('[role=alert]:visible').count(), 0)
  t.strictSame(
    it.complaints.filter((line) => !line.includes('ERR_FAILED')),
    [],
  )
  await it.page.unroute(options)
  await it.fillPassword()
  await it.until('/')
})

t.test(
  'without JavaScript, or without WebAuthn, the password works and no button is shown',
  async (t) => {
    for (const javaScriptEnabled of [false, true]) {
      const it = await passkeyPerson(t, browser, { shape: { javaScriptEnabled } })
      await it.context.addInitScript('delete window.PublicKeyCredential')
      await it.open('/login?next=/account/passkeys')
      t.equal(await it.page.getByRole('button', { name: 'Log in with a passkey' }).count(), 0)
      await it.fillPassword()
      await it.until('/account/passkeys')
      await it.press('Add a passkey')
      t.ok(await it.page.getByText('A passkey can only be made with JavaScript').isVisible())
      t.equal(await it.page.getByRole('button', { name: 'Make the passkey' }).count(), 0)
      t.strictSame(it.complaints, [])
    }
  },
)

t.test('the button works by the keyboard alone', async (t) => {
  const it = await passkeyPerson(t, browser)
  await it.open('/login')
  await it.fillPassword()
  await it.addPasskey()
  await it.logOut()
  await it.open('/login?next=/account')
  const { keyboard } = it.page
  const tabTo = async (name: string) => {
    const target = it.page.locator('main').getByRole('button', { name, exact: true })
    for (let count = 0; count < 20; count += 1) {
      if (await target.evaluate((one) => one === one.ownerDocument.activeElement)) return true
      await keyboard.press('Tab')
    }
    return false
  }
  await keyboard.type(ada.email)
  t.ok(await tabTo('Log in with a passkey'))
  await keyboard.press('Enter')
  await it.until('/account')
  t.strictSame(it.complaints, [])
})
