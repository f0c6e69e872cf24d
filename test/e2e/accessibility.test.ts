import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'
import { checkPage } from '../support/page-checks.js'
import { addPasskey } from '../support/passkeys.js'

const env = { GITHUB_CLIENT_ID: 'an-id', GITHUB_CLIENT_SECRET: 'a-secret' }
const { app, origin } = await listeningApp(t, { env })
const login = await signUp(app, { ...ada, name: 'Ada Lovelace', username: 'ada' })
await addPasskey({ app }, login)
const browser = await openBrowser(t)

const devices = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
}

for (const [device, shape] of Object.entries(devices)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`axe finds nothing on any page, on a ${device}, ${colorScheme}`, (t) =>
      visitAll(t, { ...shape, colorScheme }, `${device}-${colorScheme}`),
    )
  }
}

async function visitAll(t: Test, options: Parameters<typeof openPage>[1], name: string) {
  const { page, complaints } = await openPage(browser, options)

  const check = (what: string) => checkPage(t, page, `${name}-${what}`)
  const submit = (name: string) => page.locator('main').getByRole('button', { name, exact: true })
  for (const [what, path] of Object.entries({
    home: '/',
    login: '/login?next=/welcome',
    register: '/register',
    'second-factor': '/second-factor',
    forgot: '/forgot',
    activate: '/activate?token=x',
    reset: '/reset?token=x',
    confirm: '/confirm?token=x',
    'not-me': '/not-me?token=x',
    'activate-code': '/activate/code',
    'reset-code': '/reset/code',
    logout: '/logout',
    'not-found': '/nothing',
    docs: '/docs',
  })) {
    await page.goto(origin + path)
    await check(what)
  }

  await page.goto(`${origin}/register`)
  await page.getByLabel('Name', { exact: true }).fill('Eve')
  await page.getByLabel('E-mail address').fill(ada.email)
  await page.getByLabel('Password').fill('password123')
  await submit('Register').click()
  await check('register-refused')
  await page.goto(`${origin}/reset/code`)
  await page.getByLabel('E-mail address or mobile number').fill(ada.email)
  await page.getByLabel('Code').fill('12345678')
  await page.getByLabel('New password').fill('a better horse battery')
  await submit('Set the password').click()
  await check('reset-refused')
  await page.goto(`${origin}/forgot`)
  await page.getByLabel('E-mail address or mobile number').fill('ada')
  await submit('Send me a message').click()
  await check('forgot-refused')
  await page.getByLabel('E-mail address or mobile number').fill(ada.email)
  await submit('Send me a message').click()
  await check('forgot-sent')
  await submit('Send it again').click()
  await check('forgot-sent-again')

  await page.goto(`${origin}/login`)
  await submit('Log in with a passkey').click()
  await page.locator('[role=alert]:visible').waitFor()
  await check('login-passkey-refused')
  await page.goto(`${origin}/welcome`)
  await page.getByLabel('E-mail address, username or mobile number').fill('ada')
  await page.getByLabel('Password').fill('wrong horse battery')
  await submit('Log in').click()
  await check('login-refused')
  await page.getByLabel('Password').fill(ada.password)
  await submit('Log in').click()
  await check('welcome')
  for (const path of ['account', 'account/profile', 'account/password', 'account/delete']) {
    await page.goto(`${origin}/${path}`)
    await check(path.replace('/', '-'))
  }
  await submit('Delete my account for ever').click()
  await page.getByLabel('Present password').waitFor()
  await check('account-delete-refused')
  await page.goto(`${origin}/account/passkeys`)
  await check('account-passkeys')
  await submit('Add a passkey').click()
  await page.getByRole('button', { name: 'Make the passkey' }).waitFor()
  await check('account-passkeys-add')
  await submit('Make the passkey').click()
  await page.locator('[role=alert]:visible').waitFor()
  await check('account-passkeys-add-refused')
  await page.goto(`${origin}/welcome/api-keys`)
  await check('api-keys')
  await page.getByLabel('What is it for?').fill('backup')
  await submit('Make a key').click()
  await check('api-keys-new')
  await page.goto(`${origin}/welcome/api-keys`)
  await check('api-keys-list')
  await page.goto(origin)
  await check('home-signed-in')
  t.strictSame(complaints, [])
}
