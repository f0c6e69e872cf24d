import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { compileView } from '../../src/pages/views.js'

const pages = new URL('../../src/pages/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, pages), 'utf8')
const views = readdirSync(new URL('views/', pages)).filter((name) => name.endsWith('.eta'))

const evil = `"'><script>alert(1)</script>`
const escaped = '&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;'

/** The expressions that a view writes unescaped: our own style, our own QR codes, and the HTML of other views. */
const raw: Record<string, string[]> = {
  'layout.eta': ['it.style', "it.content.join('')"],
  'reference.eta': ['it.style'],
  'enrolment.eta': ['it.qr'],
}

const hostileField = { name: evil, type: evil, place: evil, isRequired: true, text: evil }
const hostileOperation = {
  id: evil,
  method: evil,
  path: evil,
  summary: evil,
  description: evil,
  access: evil,
  parameters: [hostileField],
  body: { type: evil, fields: [hostileField] },
  replies: [{ status: evil, text: evil, fields: [hostileField] }],
  failure: [hostileField],
  examples: { httpie: evil, curl: evil },
}

/** A hostile text in each value that a view shows, and how often the view shows it. */
const data: Record<string, [values: object, times: number]> = {
  'form.eta': [
    {
      text: evil,
      action: evil,
      hidden: { [evil]: evil },
      fields: [
        { name: evil, label: evil, type: evil, autocomplete: evil, accept: evil, minLength: evil },
        { name: 'second', label: 'second', hint: evil },
      ],
      values: { [evil]: evil },
      faults: { [evil]: evil },
      button: evil,
    },
    18,
  ],
  'account-link.eta': [{}, 0],
  'account.eta': [
    {
      picture: evil,
      profile: [[evil, evil]],
      ways: [[evil, evil]],
      sessions: [
        { id: evil, browser: evil, label: evil, isCurrent: true, texts: [[evil, evil]] },
        { id: evil, browser: evil, label: evil, isCurrent: false, texts: [] },
      ],
      hasProviders: true,
      notShown: 1,
      events: [{ at: evil, text: evil }],
    },
    15,
  ],
  'api-keys.eta': [
    { key: evil, apiKeys: [{ id: evil, name: evil, roles: [evil], expires: evil, used: evil }] },
    5,
  ],
  'device.eta': [{ path: evil, user_code: evil, confirmation: evil, texts: [[evil, evil]] }, 9],
  'enrolment.eta': [{ qr: '', key: evil }, 1],
  'factor-state.eta': [{ totp: true, recovery_codes: evil }, 1],
  'recovery-codes.eta': [{ codes: [evil, evil], next: evil }, 3],
  'home.eta': [{ userName: evil }, 1],
  'layout.eta': [
    {
      title: evil,
      appName: evil,
      userName: evil,
      flash: evil,
      fault: evil,
      refresh: evil,
      style: '',
      content: [],
    },
    8,
  ],
  'dev-mail.eta': [
    {
      messages: [
        {
          id: 1,
          at: evil,
          to: evil,
          content: { subject: evil, lines: [], code: evil, action: { label: evil, url: evil } },
        },
      ],
    },
    7,
  ],
  'login-again.eta': [{ path: evil }, 1],
  'login-links.eta': [{ register: evil }, 1],
  'missing-factor.eta': [{ origin: evil }, 2],
  'not-found.eta': [{}, 0],
  'passkey-form.eta': [
    {
      kind: evil,
      action: evil,
      options: evil,
      hidden: { [evil]: evil },
      button: evil,
      without: evil,
    },
    7,
  ],
  'passkeys.eta': [{ passkeys: [{ id: evil, name: evil, texts: [[evil, evil]] }] }, 10],
  'provider-button.eta': [{ path: evil, label: evil }, 2],
  'provider-redirect.eta': [{ url: evil, label: evil }, 2],
  'reference.eta': [
    {
      appName: evil,
      style: '',
      version: evil,
      server: evil,
      groups: [{ id: evil, title: evil, operations: [hostileOperation] }],
      errors: [{ code: evil, status: evil, message: evil, help: evil }],
    },
    41,
  ],
  'trusted-devices.eta': [{ devices: [{ id: evil, browser: evil, since: evil }] }, 5],
  'welcome.eta': [
    { picture: evil, name: evil, username: evil, email: evil, mobile: evil, roles: [evil, evil] },
    7,
  ],
}

t.test('a view escapes each value that it shows', (t) => {
  t.strictSame(Object.keys(data).sort(), views, 'every view is in the table')
  for (const [view, [values, times]] of Object.entries(data)) {
    const html = compileView(view.replace('.eta', ''))(values)
    t.notMatch(html, '<script', view)
    t.equal(html.split(escaped).length - 1, times, view)
  }
  t.end()
})

t.test('views write only our style and other views unescaped', (t) => {
  for (const view of views) {
    const found = [...read(`views/${view}`).matchAll(/<%[-_]?\s*~\s*([^]*?)\s*[-_]?%>/g)]
    t.strictSame(
      found.map(([, expression]) => expression),
      raw[view] ?? [],
      view,
    )
  }
  t.end()
})

t.test('attribute values are quoted', (t) => {
  for (const view of views) {
    t.notMatch(read(`views/${view}`).replaceAll(/"[^"]*"/g, '""'), /=<%/, view)
  }
  t.end()
})

t.test('only views.ts casts a text to Markup', (t) => {
  const files = readdirSync(pages, { encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const saying = files.filter((name) => /\bas (unknown as )?Markup\b/.test(read(name)))
  t.strictSame(saying, ['views.ts'])
  t.end()
})

t.test('views are compiled while modules load', (t) => {
  for (const name of readdirSync(pages).filter((name) => name.endsWith('.ts'))) {
    const calls = read(name).match(/^.*\bcompileView[<(].*$/gm) ?? []
    for (const line of calls) t.match(line, /^(const \w+ = |export function )compileView/, name)
  }
  t.end()
})
