import t, { type Test } from 'tap'
import { ada, listeningApp, logIn, signUp } from '../support/app.js'
import { authenticator } from '../support/authenticator.js'
import { openBrowser, openPage } from '../support/browser.js'
import { codeOf, enrolled } from '../support/factors.js'
import { post } from '../support/oauth.js'
import { checkEverywhere } from '../support/page-checks.js'
import { addPasskey } from '../support/passkeys.js'

const service = await listeningApp(t)
const { app, origin, sql } = service
const browser = await openBrowser(t)

// Names that are long, without a space, and written from right to left.
const long = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'
const hebrew = 'המחשב הנייד של עדה (2026)'
const agents = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'curl/8.5.0',
  'x'.repeat(255),
]

/** A visitor at the service; `check` looks at the page that is shown. */
async function visitor(t: Test, at = origin) {
  const { page, context, complaints } = await openPage(browser)
  t.teardown(() => context.close())
  const main = page.locator('main')
  return {
    page,
    complaints,
    check: (name: string) => checkEverywhere(t, page, name),
    open: (path: string) => page.goto(at + path),
    press: (name: string) => main.getByRole('button', { name, exact: true }).click(),
    type: (label: string, text: string) => main.getByLabel(label, { exact: true }).fill(text),
    async logIn({ email, password } = ada) {
      await main.getByLabel('E-mail address, username or mobile number').fill(email)
      await main.getByLabel('Password').fill(password)
      await main.getByRole('button', { name: 'Log in', exact: true }).click()
    },
  }
}

t.test('axe finds nothing on the pages of a long account', async (t) => {
  const eve = {
    email: `${'eve.'.repeat(15)}eve@${'mail.'.repeat(20)}example.org`,
    password: ada.password,
  }
  const login = await signUp(app, { ...eve, name: long })
  for (const name of [long, hebrew, 'Phone']) {
    const { body } = await addPasskey(service, login, authenticator())
    const { id } = body.passkey as { id: string }
    await sql('update passkeys set name = $1 where id = $2', [name, id])
  }
  for (let count = 0; count < 24; count += 1) await logIn(app, eve)
  for (const [at, agent] of agents.entries())
    await sql(
      `update sessions set user_agent = $1, address = '2001:db8:1234:5678:9abc:def0:1234:5678'
       where id in (select id from sessions order by id offset $2 limit 1)`,
      [agent, at],
    )
  const it = await visitor(t)
  await it.open('/login?next=/account')
  await it.logIn(eve)
  await it.check('account-long')
  await it.open('/account/profile')
  await it.check('account-profile-long')
  await it.type('E-mail address', ada.email)
  await it.type('Username', '@')
  await it.press('Save')
  await it.check('account-profile-refused')
  await it.open('/account/password')
  await it.type('Present password', 'wrong horse battery')
  await it.type('New password', 'another horse battery')
  await it.press('Change the password')
  await it.check('account-password-refused')
  await it.open('/account/passkeys')
  await it.check('account-passkeys-long')
  await sql('update users set password_hash = null, name = $1', [hebrew])
  await sql(`delete from passkeys where name <> $1`, [hebrew])
  await it.press(`Remove ${hebrew}`)
  await it.check('account-passkeys-last')
  await it.open('/account')
  await it.check('account-hebrew')
  t.strictSame(it.complaints, [])
})

t.test('axe finds nothing on the pages of the second factor', async (t) => {
  const grace = { email: 'grace@example.org', password: ada.password }
  await signUp(app, grace)
  const it = await visitor(t)
  await it.open('/login?next=/second-factor')
  await it.logIn(grace)
  await it.check('factor-none')
  await it.press('Add an authenticator app')
  await it.check('factor-add')
  const key = await it.page.locator('code').innerText()
  await it.type('Code', '000000')
  await it.press('Confirm')
  await it.check('factor-add-refused')
  await it.type('Code', codeOf(key))
  await it.press('Confirm')
  await it.check('factor-codes')
  const [code = ''] = await it.page.locator('li code').allInnerTexts()
  await it.page.context().clearCookies()
  await it.open('/login?next=/second-factor')
  await it.logIn(grace)
  await it.check('login-code')
  await it.type('Code', '000000')
  await it.press('Log in')
  await it.check('login-code-refused')
  await it.type('Code', code)
  await it.page.getByLabel('Do not ask on this device for 30 days').check()
  await it.press('Log in')
  await it.check('factor-devices')
  t.strictSame(it.complaints, [])
})

t.test('axe finds nothing on the login that asks for a code or a passkey', async (t) => {
  const account = { email: 'alan@example.org', password: ada.password }
  const user = await enrolled(service, account)
  await sql(`update sessions set amr = '{pwd,otp,mfa}' where user_id = $1`, [user.id])
  await addPasskey(service, user.login)
  const it = await visitor(t)
  await it.open('/login')
  await it.logIn(account)
  await it.check('login-code-or-passkey')
  await it.press('Use a passkey')
  await it.page.locator('[role=alert]:visible').waitFor()
  await it.check('login-passkey-refused')
  t.strictSame(it.complaints, [])
})

t.test('axe finds nothing on the pages of devices', async (t) => {
  const it = await visitor(t)
  await signUp(app, ada)
  await it.open('/login?next=/device')
  await it.logIn()
  await it.check('device')
  await it.type('Code', 'BBBB BBBB')
  await it.press('Continue')
  await it.check('device-refused')
  for (const [button, name] of [
    ['Log the device in', 'device-approved'],
    ['Do not log it in', 'device-denied'],
  ] as const) {
    const begun = await post(app, 'device_authorization', { client_id: 'gatehouse' })
    const { user_code } = begun.json<{ user_code: string }>()
    await it.open(`/device?user_code=${user_code}`)
    await it.press('Continue')
    await it.check('device-request')
    await it.press(button)
    await it.check(name)
  }
  t.strictSame(it.complaints, [])
})

t.test('axe finds nothing on a login that must add a factor', async (t) => {
  const account = { email: 'new@example.org', password: ada.password }
  await signUp(app, account)
  const strict = await listeningApp(t, { url: service.url, env: { MFA: 'required' } })
  const it = await visitor(t, strict.origin)
  await it.open('/login')
  await it.logIn(account)
  await it.check('required-first')
  await it.press('Continue')
  await it.check('required-add')
  await it.type('Code', codeOf(await it.page.locator('code').innerText()))
  await it.press('Log in')
  await it.check('required-codes')
  t.strictSame(it.complaints, [])
})
