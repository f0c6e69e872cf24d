import t, { type Test } from 'tap'
import { ada, logIn } from '../support/app.js'
import { authenticator } from '../support/authenticator.js'
import { openBrowser } from '../support/browser.js'
import { codeOf } from '../support/factors.js'
import { keyboardOf } from '../support/keyboard.js'
import { passkeyPerson } from '../support/passkey-person.js'
import { addPasskey } from '../support/passkeys.js'
import { picture } from '../support/pictures.js'
import { openidProvider } from '../support/social/openid-provider.js'

const browser = await openBrowser(t)
const password = 'another horse battery'

/** A user of the account pages who has only a keyboard. */
async function keyboardUser(t: Test, javaScriptEnabled: boolean) {
  const env = async (origin: string) => (await openidProvider(t, origin)).env
  const shape = { javaScriptEnabled, viewport: { width: 1280, height: 800 } }
  const it = await passkeyPerson(t, browser, { shape, env })
  const keys = keyboardOf(it.page)
  const main = () => it.page.locator('main').innerText()

  return {
    ...it,
    ...keys,
    main,

    /** Ends when the page that a key asked for is there and says so. */
    async says(text: string): Promise<void> {
      await it.page.locator('[role=status]', { hasText: text }).waitFor()
    },

    async logInByKeys(secret = password): Promise<void> {
      await keys.type('E-mail address, username or mobile number', ada.email)
      await keys.type('Password', secret)
      await keys.send()
    },

    /** Opens a page from that of the account. */
    async openByKeys(link: string): Promise<void> {
      await it.open('/account')
      await keys.follow(link)
    },
  }
}

type User = Awaited<ReturnType<typeof keyboardUser>>

/** Each control is reached in the order of the page, with a ring that is seen, and left again. */
async function tour(t: Test, it: User) {
  const path = it.path()
  const count = (await it.controls()).length
  for (const [key, step] of [
    ['Tab', 1],
    ['Shift+Tab', count - 1],
  ] as const) {
    const stops = await it.walk(key)
    const [{ index: start } = { index: 0 }] = stops
    const order = stops.map((_, at) => (start + at * step) % count)
    t.equal(stops.length, count, `${path}: ${key} reaches each control`)
    t.strictSame(
      stops.map(({ index }) => index),
      order,
      `${path}: ${key} keeps their order`,
    )
    t.strictSame(
      stops.filter(({ isSeen }) => !isSeen),
      [],
      `${path}: the focus of ${key} is seen`,
    )
  }
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'by the keyboard alone' : 'by the keyboard, without a script'
  t.test(`a user looks after the account ${how}`, async (t) => {
    const it = await keyboardUser(t, javaScriptEnabled)
    await it.open('/login?next=/account')
    await it.logInByKeys(ada.password)
    await it.says('Welcome back.')

    await t.test('the profile', async () => {
      await it.openByKeys('Change the profile')
      await tour(t, it)
      await it.type('Name', 'Ada Lovelace')
      await it.follow('Save')
      await it.says('Your profile was changed.')
      t.match(await it.main(), 'Ada Lovelace')
    })

    await t.test('the picture', async (t) => {
      await it.openByKeys('Change the picture')
      await it.tabTo('Picture')
      const chosen = it.page.waitForEvent('filechooser')
      await it.page.keyboard.press('Space')
      const file = { name: 'me.png', mimeType: 'image/png', buffer: await picture('png') }
      await (await chosen).setFiles(file)
      await it.follow('Set the picture', 'Space')
      await it.says('Your picture was set.')
      t.ok(await it.page.getByAltText('Your picture').isVisible())
      await tour(t, it)
      await it.follow('Remove the picture')
      await it.says('Your picture was removed.')
      t.equal(await it.page.getByAltText('Your picture').count(), 0)
    })

    await t.test('a connected login', async (t) => {
      await it.open('/welcome')
      await it.follow('Connect Example ID')
      await it.page.getByText('Who are you?').waitFor()
      await it.follow('Ada')
      await it.says('Connected')
      await it.open('/account')
      t.match(await it.main(), /Connected logins\s+Example ID/)
      await it.open('/welcome')
      await it.follow('Disconnect Example ID', 'Space')
      await it.says('Disconnected.')
    })

    await t.test('the password', async (t) => {
      await it.openByKeys('Change the password')
      await tour(t, it)
      await it.type('Present password', 'wrong horse battery')
      await it.type('New password', password)
      await it.send()
      t.equal(await it.alert(), 'Invalid credentials.')
      await it.type('Present password', ada.password)
      await it.type('New password', password)
      await it.follow('Change the password', 'Space')
      await it.says('Your password was changed')
    })

    await t.test('passkeys', async (t) => {
      await it.openByKeys('Passkeys')
      if (javaScriptEnabled) {
        await it.follow('Add a passkey')
        await tour(t, it)
        await it.follow('Make the passkey')
        await it.says('The passkey was added.')
      } else {
        const login = await logIn(it.app, { ...ada, password })
        await addPasskey(it, login, authenticator({ origin: it.origin }))
        await it.open('/account/passkeys')
      }
      await tour(t, it)
      await it.type('Name', 'My laptop')
      await it.follow('Rename Passkey')
      await it.says('The passkey was renamed.')
      t.match(await it.main(), 'My laptop')
      await it.follow('Remove My laptop', 'Space')
      await it.says('The passkey was removed.')
      t.match(await it.main(), 'You have no passkeys.')
    })

    await t.test('the second factor, its recovery codes and trusted devices', async (t) => {
      await it.openByKeys('Second factor and trusted devices')
      await it.follow('Add an authenticator app')
      const key = await it.page.locator('code').innerText()
      await tour(t, it)
      await it.type('Code', '000000')
      await it.send()
      t.equal(await it.alert(), 'The code is wrong.')
      await it.type('Code', codeOf(key))
      await it.send()
      const [first] = await it.page.locator('li code').allInnerTexts()
      await tour(t, it)
      await it.follow('Continue')
      await it.follow('Make new recovery codes', 'Space')
      const [code = ''] = await it.page.locator('li code').allInnerTexts()
      t.not(code, first)
      await it.follow('Log out')
      await it.says('You have logged out.')

      await it.open('/login?next=/second-factor')
      await it.logInByKeys()
      await tour(t, it)
      await it.type('Code', code)
      await it.press('Do not ask on this device for 30 days', 'Space')
      await it.follow('Log in')
      await it.page.getByText('You have 9 recovery codes left').waitFor()
      await tour(t, it)
      const [forget = ''] = (await it.controls()).filter((name) => name.startsWith('Do not trust'))
      await it.follow(forget)
      await it.says('The device is no longer trusted.')
      await it.follow('Remove the second factor', 'Space')
      await it.says('The second factor was removed.')
    })

    await t.test('API keys', async (t) => {
      await it.openByKeys('API keys')
      await tour(t, it)
      await it.type('What is it for?', 'backup')
      await it.follow('Make a key')
      await it.follow('Done')
      await it.follow('Revoke backup', 'Space')
      await it.says('The key was revoked.')
    })

    await t.test('sessions', async (t) => {
      await logIn(it.app, { ...ada, password })
      await logIn(it.app, { ...ada, password })
      await it.open('/account')
      await tour(t, it)
      const others = async () =>
        (await it.controls()).filter((name) => /^Log out .+, since/.test(name))
      const [one = '', ...rest] = await others()
      t.ok(rest.length > 0)
      await it.follow(one)
      await it.says('Logged out there.')
      t.equal((await others()).length, rest.length)
      await it.follow('Log out everywhere else', 'Space')
      await it.says('Logged out there.')
      t.strictSame(await others(), [])
    })

    await t.test('the end of the account', async (t) => {
      await it.openByKeys('Delete the account')
      await tour(t, it)
      await it.type('Present password', password)
      await it.follow('Delete my account for ever')
      await it.says('Your account was deleted.')
      t.strictSame(await it.sql('select id from users'), [])
    })
    t.strictSame(it.complaints, [])
  })
}
