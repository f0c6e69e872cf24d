import t, { type Test } from 'tap'
import { ada, logIn, signUp, testApp } from '../support/app.js'
import { startAstro } from '../support/astro-site.js'
import { authenticator } from '../support/authenticator.js'
import { openBrowser, openPage } from '../support/browser.js'
import { enrolled } from '../support/factors.js'
import { withPasskey } from '../support/passkeys.js'
import { picture } from '../support/pictures.js'
import { freePort } from '../support/server-process.js'
import { until } from '../support/until.js'

/** The site of the example, built and started, and the service beside it. */
async function startSite(t: Test) {
  const origin = `http://localhost:${String(await freePort())}`
  const service = await testApp(t, {
    env: { PUBLIC_URL: origin, TRUST_PROXY: 'loopback', MFA: 'required:admin' },
  })
  const calls: string[] = []
  service.app.server.on('request', ({ method, url = '' }) => {
    if (!url.startsWith('/.well-known/')) calls.push(`${method ?? ''} ${url}`)
  })
  await service.app.listen({ host: 'localhost', port: Number(new URL(origin).port) })

  const port = String(await freePort())
  const site = `http://localhost:${port}`
  await startAstro(t, { site, port, env: { GATEHOUSE_URL: origin } })
  const count = (call: string) => calls.filter((each) => each === call).length
  return { ...service, origin, site, calls, count }
}

t.test('an Astro site logs its users in', async (t) => {
  const service = await startSite(t)
  const { app, sql, origin, site, calls, count } = service
  const browser = await openBrowser(t)
  const { page, context, complaints } = await openPage(browser)
  const email = page.getByLabel('E-mail address')
  const password = page.getByLabel('Password')

  await t.test(
    'a protected page leads to the login page, however its path is written',
    async (t) => {
      await page.goto(`${site}/app`)
      t.equal(page.url(), `${site}/login?next=%2Fapp`)
      for (const path of [
        '/app/',
        '//app',
        '/%61pp',
        '/%2561pp',
        '/APP',
        '/app/sessions',
        '/x/../app',
      ]) {
        const answer = await fetch(site + path, { redirect: 'manual' })
        t.not(answer.status, 200, path)
      }
      const script = await fetch(`${site}/app`, { redirect: 'manual' })
      t.equal(script.status, 401, 'a script gets no page')
    },
  )

  await t.test('registers, and comes to the protected page', async (t) => {
    await page.goto(`${site}/register`)
    await email.fill(ada.email)
    await page.getByLabel('Name').fill('Ada')
    await password.fill('x')
    await page.getByRole('button', { name: 'Register' }).click()
    t.match(await page.locator('[role=alert]').innerText(), /at least 8 characters/)
    t.equal(await email.inputValue(), ada.email, 'what was typed is kept')
    t.equal(await password.inputValue(), '', 'but the password')
    await password.fill(ada.password)
    await page.getByRole('button', { name: 'Register' }).click()
    await page.waitForURL(`${site}/app`)
    t.match(await page.locator('main').innerText(), 'You are logged in as Ada.')
  })

  await t.test('a page of a logged-in user calls Gatehouse never', async (t) => {
    calls.length = 0
    for (let view = 0; view < 5; view += 1) await page.goto(`${site}/app`)
    await page.goto(site)
    await page.getByText('Hello').filter({ hasNotText: '…' }).waitFor()
    t.strictSame(calls, [])
  })

  await t.test('no page and no script has a token, and no cache keeps a page', async (t) => {
    const answer = await page.goto(`${site}/app`)
    t.match(answer?.headers(), { 'cache-control': 'private, no-store' })
    t.notMatch(await page.content(), /eyJ/)
    const stores = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
    t.equal(await page.evaluate(stores), '[{},{},""]')
    const names = (await context.cookies()).map(({ name }) => name).sort()
    t.strictSame(names, ['device', 'refresh', 'session'])
  })

  await t.test('ten requests without an access token send one refresh', async (t) => {
    await context.clearCookies({ name: 'session' })
    const statuses = await page.evaluate<number[]>(`Promise.all(Array.from({ length: 10 }, () =>
      fetch('/app', { headers: { accept: 'text/html' } }).then(({ status, redirected }) => redirected ? 0 : status)))`)
    t.ok(
      statuses.every((status) => status === 200),
      String(statuses),
    )
    t.equal(count('POST /api/refresh'), 1)
    t.ok((await context.cookies()).some(({ name }) => name === 'session'))
  })

  const files = {
    picture: { name: 'me.png', mimeType: 'image/png', buffer: await picture('png') },
    readme: { name: 'README.md', mimeType: 'text/markdown', buffer: Buffer.from('# I am <b>Ada') },
  }

  await t.test('shows a picture and a README, and uploads them with progress', async (t) => {
    await page.goto(`${site}/app`)
    // Slow enough to see it: the README takes more than a second.
    const network = await context.newCDPSession(page)
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 30_000 }
    await page.getByLabel('Picture').setInputFiles(files.picture)
    await page.getByAltText('Preview of the picture').waitFor({ state: 'visible' })
    const text = `# I am <b>Ada\n\n${'I write. '.repeat(6_000)}`
    const long = { ...files.readme, buffer: Buffer.from(text) }
    await page.getByLabel('README', { exact: true }).setInputFiles(long)
    await page.getByLabel('Preview of the README').getByText('# I am <b>Ada').waitFor()
    await page.evaluate(`{
      const seen = (globalThis.seen = [])
      const bar = document.querySelector('progress')
      new MutationObserver(() => seen.push(bar.value)).observe(bar, { attributes: true })
    }`)
    await network.send('Network.emulateNetworkConditions', slow)
    await page.getByRole('button', { name: 'Upload' }).click()
    const isUnderWay = 'seen.some((value) => value > 0 && value < 1)'
    await until(() => page.evaluate<boolean>(isUnderWay), 'the progress of an upload')
    await network.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 })
    await page.waitForURL(`${site}/app?uploaded`)
    t.equal(await page.getByRole('status').innerText(), 'Uploaded.')
    t.equal(await page.locator('progress').isVisible(), false)
    t.strictSame([count('POST /api/upload_profile_pic'), count('POST /api/upload_readme')], [1, 1])
  })

  await t.test('says what is wrong with a file, and keeps the page', async (t) => {
    await page.getByLabel('Picture').setInputFiles({ ...files.readme, name: 'me.png' })
    await page.getByRole('button', { name: 'Upload' }).click()
    await page
      .getByRole('status')
      .getByText(/picture|image/i)
      .waitFor()
    t.equal(page.url(), `${site}/app?uploaded`)
    t.ok(await page.getByRole('button', { name: 'Upload' }).isEnabled())
  })

  await t.test('the session has the address of the browser, whatever it forges', async (t) => {
    const forger = await browser.newContext({
      ...{ extraHTTPHeaders: { 'x-forwarded-for': '203.0.113.9' }, javaScriptEnabled: false },
      userAgent: 'Forger',
    })
    const other = await forger.newPage()
    await other.goto(`${site}/login?next=/app/sessions`)
    await other.getByLabel('E-mail address').fill(ada.email)
    await other.getByLabel('Password').fill(ada.password)
    await other.getByRole('button', { name: 'Log in', exact: true }).click()
    await other.waitForURL(`${site}/app/sessions`)
    const text = await other.locator('main').innerText()
    t.match(text, /This browser: Forger from 127\.0\.0\.1/, 'and it works without a script')
    t.notMatch(text, '203.0.113.9')
    await other.goto(`${site}/app`)
    await other.getByLabel('Picture').setInputFiles(files.picture)
    await other.getByLabel('README', { exact: true }).setInputFiles(files.readme)
    await other.getByRole('button', { name: 'Upload' }).click()
    await other.waitForURL(`${site}/app?uploaded`)
    t.equal(await other.getByRole('status').innerText(), 'Uploaded.')
    await other.getByLabel('Picture').setInputFiles({ ...files.readme, name: 'me.png' })
    await other.getByRole('button', { name: 'Upload' }).click()
    t.match(await other.locator('[role=alert]').innerText(), /picture|image/i)

    await page.goto(`${site}/app/sessions`)
    const row = page.locator('li').filter({ hasText: 'Forger' })
    await row.getByRole('button', { name: 'End this session' }).click()
    await page.getByRole('listitem').filter({ hasText: 'Forger' }).waitFor({ state: 'detached' })
    await until(async () => {
      await other.goto(`${site}/app`)
      return other.url().includes('/login')
    }, 'the site to refuse a session that was ended in the list')
    await forger.close()
  })

  await t.test('a logout elsewhere counts within a second', async (t) => {
    const { access_token } = await logIn(app)
    const headers = { authorization: `Bearer ${access_token}` }
    await app.inject({ method: 'DELETE', url: '/api/sessions', headers })
    const ended = performance.now()
    await until(async () => {
      await page.goto(`${site}/app`)
      return page.url().includes('/login')
    }, 'the site to refuse the session')
    t.ok(performance.now() - ended < 1_500, `${String(performance.now() - ended)} ms with the page`)
    t.notOk((await context.cookies()).some(({ name }) => name === 'session'))
  })

  await t.test('signs out everywhere', async (t) => {
    await email.fill(ada.email)
    await password.fill('wrong horse battery')
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    t.equal(await page.locator('[role=alert]').innerText(), 'Invalid credentials')
    t.strictSame([await email.inputValue(), await password.inputValue()], [ada.email, ''])
    await password.fill(ada.password)
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.waitForURL(`${site}/app`)
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.waitForURL(`${site}/`)
    t.match(await page.locator('nav').innerText(), 'Log in')
    t.equal(count('POST /api/logout'), 1)
  })

  await t.test('asks for a second factor, without a script too', async (t) => {
    const user = await enrolled(service, { ...ada, email: 'grace@example.org' })
    const plain = await browser.newContext({ javaScriptEnabled: false })
    const form = await plain.newPage()
    await form.goto(`${site}/login?next=/app/sessions`)
    await form.getByLabel('E-mail address').fill(user.account.email)
    await form.getByLabel('Password').fill(ada.password)
    await form.getByRole('button', { name: 'Log in', exact: true }).click()
    const answer = async (code: string) => {
      await form.getByLabel('Code of your authenticator app').fill(code)
      await form.getByRole('button', { name: 'Continue' }).click()
    }
    await answer('000000')
    t.match(await form.locator('[role=alert]').innerText(), /code/i)
    t.strictSame(
      (await plain.cookies()).filter(({ name }) => name === 'session'),
      [],
      'the password alone logs no one in',
    )
    await answer(await user.code())
    await form.waitForURL(`${site}/app/sessions`)
    t.match(await form.locator('main').innerText(), 'This browser')
    await form.goto(`${site}/app`)
    t.match(await form.locator('main').innerText(), 'You are logged in.', 'a token names no UUID')
  })

  await t.test('leaves to Gatehouse what its form cannot ask for', async (t) => {
    const [hedy, mary] = ['hedy', 'mary'].map((name) => ({ ...ada, email: `${name}@example.org` }))
    await withPasskey(service, authenticator({ origin }), hedy)
    await signUp(app, mary)
    await sql(`insert into user_roles select id, 'admin' from users where email ~ 'hedy|mary'`)
    for (const [account = ada, fault] of [
      [hedy, /passkey/],
      [mary, /needs a second factor/],
    ] as const) {
      await page.goto(`${site}/login`)
      await email.fill(account.email)
      await password.fill(account.password)
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      t.match(await page.locator('[role=alert]').innerText(), fault)
      t.equal(await page.getByLabel('Code').count(), 0)
      await page.getByRole('link', { name: 'Log in with Gatehouse' }).click()
      t.equal(page.url(), `${origin}/login`)
    }
  })

  t.strictSame(complaints, [])
})
