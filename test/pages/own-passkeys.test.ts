import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { authenticator } from '../support/authenticator.js'
import { codeOf } from '../support/factors.js'
import { browserSession, fromAnotherSite, type Answered } from '../support/browser-session.js'

const path = '/account/passkeys'

async function signedIn(t: Test, env: Record<string, string> = {}) {
  const service = await listeningApp(t, { env })
  await signUp(service.app)
  const browser = browserSession(service.origin)
  await browser.post('/login', { username: ada.email, password: ada.password })
  const begin = () => browser.post(`${path}/begin`)
  const add = async (device = authenticator()) => {
    const credential = JSON.stringify(device.create(optionsIn(await begin())))
    return { credential, ...(await browser.post(path, { credential })) }
  }
  const ids = async () =>
    [...(await browser.get(path)).html.matchAll(/passkeys\/([0-9a-f-]{36})\/remove/g)].map(
      ([, id]) => `${path}/${id ?? ''}`,
    )
  return { ...service, browser, begin, add, ids }
}

type Creation = Parameters<ReturnType<typeof authenticator>['create']>[0]

function optionsIn({ html }: Answered): Creation {
  const [, text = ''] = /data-options="([^"]*)"/.exec(html) ?? []
  return JSON.parse(text.replaceAll('&quot;', '"')) as Creation
}

const faultOf = ({ html }: Answered) => /<p role="alert" id="fault">([^<]*)/.exec(html)?.[1]
const old = `update sessions set created_at = now() - interval '6 minutes', auth_time = null`

t.test('a user adds, renames and removes passkeys on a page', async (t) => {
  const { browser, begin, add, ids } = await signedIn(t)
  t.match((await browser.get(path)).html, 'You have no passkeys.')
  t.match((await browser.get('/account')).html, `href="${path}"`)
  const begun = await begin()
  t.match(begun.headers.get('content-security-policy'), "script-src 'self'")
  t.match(begun.html, 'A passkey can only be made with JavaScript')
  t.equal((await add()).location, path)
  const listed = await browser.get(path)
  t.match(listed.html, 'The passkey was added.')
  t.notMatch(listed.html, '<script')
  const [own = ''] = await ids()
  t.equal((await browser.post(`${own}/rename`, { name: 'My <phone>' })).location, path)
  t.match((await browser.get(path)).html, /was renamed[^]*<h2>My &lt;phone&gt;<\/h2>/)
  t.equal((await browser.post(`${own}/remove`)).location, path)
  t.match((await browser.get(path)).html, /was removed[^]*You have no passkeys/)
  t.match((await browser.get('/account')).html, /Passkey removed[^]*Passkey added/)
})

t.test('the list says why a change was refused', async (t) => {
  const { browser, add, ids, sql } = await signedIn(t)
  const { credential } = await add()
  const [own = ''] = await ids()
  const table: [string, Record<string, string>, number, string][] = [
    [path, { credential }, 400, 'The passkey was not accepted: try again.'],
    [path, { credential: '{' }, 400, 'The passkey was not accepted: try again.'],
    [path, {}, 400, 'The passkey was not accepted: try again.'],
    [`${own}/rename`, { name: '' }, 400, 'Name must not be empty.'],
    [`${own}/rename`, { name: 'x'.repeat(101) }, 400, 'Name must have at most 100 characters.'],
    [`${own}/rename`, { name: 'a\nb' }, 400, 'Name must be one line without control characters.'],
  ]
  for (const [url, fields, status, fault] of table) {
    const refused = await browser.post(url, fields)
    t.equal(refused.status, status, fault)
    t.equal(faultOf(refused), fault)
    t.match(refused.html, `action="${own}/remove"`, 'the page works on')
  }
  await sql('update users set password_hash = null')
  const last = await browser.post(`${own}/remove`)
  t.equal(last.status, 409)
  t.equal(faultOf(last), 'This is the only way to log in: set a password first.')
})

t.test('where a second factor is required, the last one stays', async (t) => {
  const { origin, app, sql } = await listeningApp(t, { env: { MFA: 'required' } })
  await app.inject({ method: 'POST', url: '/api/register', payload: ada })
  const browser = browserSession(origin)
  const asked = await browser.post('/login', { username: ada.email, password: ada.password })
  const challenge = /name="challenge" value="([^"]+)"/.exec(asked.html)?.[1] ?? ''
  const { html } = await browser.post('/login/enrol', { challenge })
  const code = codeOf(/<code>([A-Z2-7]{32})<\/code>/.exec(html)?.[1] ?? '')
  t.equal((await browser.post('/login/verify', { challenge, code })).status, 200)
  const begun = await browser.post(`${path}/begin`)
  const credential = JSON.stringify(authenticator().create(optionsIn(begun)))
  t.equal((await browser.post(path, { credential })).location, path)
  await sql('delete from totp_factors')
  const [own = ''] = /\/account\/passkeys\/[0-9a-f-]{36}/.exec((await browser.get(path)).html) ?? []
  const refused = await browser.post(`${own}/remove`)
  t.equal(refused.status, 409)
  t.equal(faultOf(refused), 'The service requires a second factor.')
})

t.test('adding and removing need a recent login, listing and renaming do not', async (t) => {
  const { browser, begin, add, ids, sql } = await signedIn(t)
  const made = optionsIn(await begin())
  await add()
  const [own = ''] = await ids()
  await sql(old)
  const again = '/login?next=%2Faccount%2Fpasskeys&prompt=login'
  t.equal((await begin()).location, again)
  const credential = JSON.stringify(authenticator().create(made))
  t.equal((await browser.post(path, { credential })).location, again)
  t.equal((await browser.post(`${own}/remove`)).location, again)
  t.match((await browser.get(again)).html, 'Log in again first')
  t.equal((await browser.get(path)).status, 200)
  t.equal((await browser.post(`${own}/rename`, { name: 'Phone' })).location, path)
  t.equal((await sql('select from passkeys')).length, 1)
})

t.test('nobody changes the passkeys of another user, or from another site', async (t) => {
  const { app, add, ids, origin, browser, sql } = await signedIn(t)
  await add()
  const [own = ''] = await ids()
  const account = { email: 'eve@example.org', password: ada.password }
  await signUp(app, account)
  const eve = browserSession(origin)
  await eve.post('/login', { username: account.email, password: account.password })
  t.equal((await eve.post(`${own}/remove`)).status, 404)
  t.equal((await eve.post(`${own}/rename`, { name: 'Eve' })).status, 404)
  const visitor = browserSession(origin)
  t.equal((await visitor.get(path)).location, '/login?next=%2Faccount%2Fpasskeys')
  for (const from of Object.values(fromAnotherSite)) {
    t.equal((await browser.post(`${own}/remove`, {}, from)).status, 403)
    t.equal((await browser.post(`${own}/rename`, { name: 'Eve' }, from)).status, 403)
    t.equal((await browser.post(path, {}, from)).status, 403)
  }
  t.match(await sql('select name from passkeys'), [{ name: 'Passkey' }])
})
