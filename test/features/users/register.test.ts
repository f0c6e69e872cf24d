import t from 'tap'
import { ada, logIn, signUp, testApp, type TestApp } from '../../support/app.js'

const register = ({ app }: TestApp, payload: object) =>
  app.inject({ method: 'POST', url: '/api/register', payload })

type Refusal = { status: string; code: string; errors?: { field: string; message: string }[] }

t.test('an account needs one identifier and a password, and shows no secret', async (t) => {
  const test = await testApp(t)
  const answer = await register(test, { name: 'Ada', gender: 'female', ...ada })
  t.equal(answer.statusCode, 201)
  t.match(answer.json(), {
    status: 'success',
    user: {
      name: 'Ada',
      email: 'ada@example.org',
      username: null,
      mobile: null,
      gender: 'female',
      active: true,
      roles: ['user'],
    },
  })
  t.notMatch(answer.body, /hash|argon2|epoch/)
  const [row] = await test.sql<{ password_hash: string }>('select password_hash from users')
  t.match(row?.password_hash, /^\$argon2id\$v=19\$m=1024,t=1,p=1\$/)
})

t.test('each kind of identifier can be the only one', async (t) => {
  const test = await testApp(t)
  const { password } = ada
  for (const account of [
    { email: 'a@b.example', password },
    { username: 'Ada', password },
    { mobile: '+44 20 7946-0000', password },
  ]) {
    const { user } = await signUp(test.app, account)
    t.ok(user.id)
  }
  t.equal((await register(test, { password })).json<Refusal>().errors?.[0]?.field, 'email')
})

t.test('an identifier is taken in every spelling that looks the same', async (t) => {
  const test = await testApp(t)
  await signUp(test.app, { ...ada, username: 'Ada_L', mobile: '+442079460000' })
  const spellings: [string, object][] = [
    ['email_taken', { email: 'ADA@Example.ORG' }],
    ['email_taken', { email: '  ada@example.org ' }],
    ['email_taken', { email: 'ａｄａ@example.org' }],
    ['email_taken', { email: 'ada＠example.org' }],
    ['username_taken', { username: 'ada_l' }],
    ['username_taken', { username: 'ＡＤＡ＿Ｌ' }],
    ['mobile_taken', { mobile: '+44 (20) 7946-0000' }],
  ]
  for (const [code, identifier] of spellings) {
    const answer = await register(test, { ...identifier, password: 'another fine password' })
    t.equal(answer.statusCode, 409, JSON.stringify(identifier))
    t.equal(answer.json<Refusal>().code, code)
    t.equal(answer.json<Refusal>().errors?.[0]?.field, code.replace('_taken', ''))
  }
})

t.test('an internationalised domain is one by its A-label, however it is written', async (t) => {
  const test = await testApp(t)
  const email = 'Ada@xn--bcher-kva.example'
  const { user } = await signUp(test.app, { ...ada, email: 'Ada@b\u00fccher.example' })
  t.equal(user.email, email)
  const spellings = [
    'ada@bu\u0308cher.example',
    'ADA@B\u00dcCHER\u3002EXAMPLE',
    email.toUpperCase(),
  ]
  for (const spelling of spellings) {
    const answer = await register(test, { email: spelling, password: 'another fine password' })
    t.equal(answer.json<Refusal>().code, 'email_taken', spelling)
    t.ok(await logIn(test.app, { ...ada, email: spelling }), spelling)
  }
  // Looks like example.org, and is another domain.
  const other = await signUp(test.app, { ...ada, email: 'ada@ex\u0430mple.org' })
  t.equal(other.user.email, 'ada@xn--exmple-4nf.org')
})

t.test('what hides in an identifier is refused, naming the field', async (t) => {
  const test = await testApp(t)
  const hidden: Record<string, string[]> = {
    email: [
      'a​da@example.org',
      '‮ada@example.org',
      'ada@example.org\r\nBcc: x@y.example',
      'ada',
      '@example.org',
      'a@b@c.example',
      'a b@example.org',
      `${'a'.repeat(65)}@example.org`,
      'ada@-example.org',
      'a..b@example.org',
      '\u00e4da@example.org',
      'ada@b\u00fccher%2eexample',
      'ada@b\u00fc cher.example',
      'ada@b\u00fc\u200dcher.example',
      'ada@[\u00fc::1]',
      'ada@127\u30021',
      'ada@exam\u034fple.org',
      'ada@b\u00fc\ufe0fcher.example',
      'ada@0x7f\u30021\u3002',
      'ada@b\u00fccher.example\u3002',
      `ada@${'\u00fc'.repeat(60)}.example`,
    ],
    username: ['a​da', 'a da', 'ada@example.org', '-ada', 'ada.', 'a'.repeat(65), '   ', 'a\tb'],
    mobile: ['12345', '+', '123456789012345678', 'call me', '+44+20'],
  }
  for (const [field, values] of Object.entries(hidden)) {
    for (const value of values) {
      const answer = await register(test, { [field]: value, password: ada.password })
      t.equal(answer.statusCode, 400, JSON.stringify(value))
      t.equal(answer.json<Refusal>().errors?.[0]?.field, field, JSON.stringify(value))
    }
  }
})

t.test('a name is one line that reads forwards', async (t) => {
  const test = await testApp(t)
  for (const name of ['Ada\r\nBcc: eve@example.org', 'Ada\u0000', '\u202eadA', 'Ada\u2028']) {
    const answer = await register(test, { ...ada, name })
    t.equal(answer.statusCode, 400, encodeURI(name))
    t.equal(answer.json<Refusal>().errors?.[0]?.field, 'name')
  }
  for (const [index, name] of ['آزاده می\u200cآید', "Seán O'Brien-Łoś", '👩\u200d🔬'].entries()) {
    const answer = await register(test, { ...ada, email: `u${index}@example.org`, name })
    t.equal(answer.json<{ user: { name: string } }>().user.name, name, encodeURI(name))
  }
})

t.test('a password is judged by its length and by what is known of it', async (t) => {
  const test = await testApp(t)
  const refused = [
    '1234567',
    'short',
    'password123',
    'PASSWORD',
    'qwertyuiop',
    'aaaaaaaaaaaa',
    'Grace.Hopper',
    'grace.hopper1906!',
    'grace@navy.example',
    'gatehouse!!',
    'é'.repeat(600),
  ]
  for (const password of refused) {
    const answer = await register(test, {
      email: 'grace@navy.example',
      username: 'grace.hopper',
      password,
    })
    t.equal(answer.statusCode, 400, password)
    t.match(answer.json(), { code: 'weak_password', errors: [{ field: 'password' }] }, password)
  }
  const taken = [
    'x7 Kq2 m',
    '        9x  ',
    'ünïcödé päss',
    `${'long enough '.repeat(80)}!`,
    '🐎🔋📎🏠🎻🥁🪁🧭',
  ]
  for (const [index, password] of taken.entries()) {
    const account = { email: `u${index}@example.org`, password }
    t.ok((await signUp(test.app, account)).access_token, password)
  }
})

t.test('a long password counts to its last byte', async (t) => {
  const { app } = await testApp(t)
  const password = 'correct horse '.repeat(73)
  await signUp(app, { email: ada.email, password })
  await t.rejects(
    logIn(app, { email: ada.email, password: `${password.slice(0, -1)}x` }),
    /invalid_credentials/,
  )
})

t.test('composed and decomposed characters are the same password', async (t) => {
  const { app } = await testApp(t)
  await signUp(app, { email: ada.email, password: 'caf\u00e9 au lait'.normalize('NFC') })
  t.ok(await logIn(app, { email: ada.email, password: 'caf\u00e9 au lait'.normalize('NFD') }))
})

t.test('nothing but the known fields can be set', async (t) => {
  const test = await testApp(t)
  const attempts = {
    role: 'admin',
    roles: ['admin'],
    id: 'x',
    active: true,
    epoch: 9,
    password_hash: 'x',
    activated_at: 'now',
  }
  for (const [field, value] of Object.entries(attempts)) {
    const answer = await register(test, { ...ada, [field]: value })
    t.match(answer.json(), {
      code: 'validation_failed',
      errors: [{ field, message: `"${field}" is not a known field.` }],
    })
  }
  t.equal((await test.sql('select from users')).length, 0)
})

t.test('the faults of several fields are one answer, each a sentence', async (t) => {
  const test = await testApp(t)
  const answer = await register(test, { email: 'ada', username: '-', mobile: '1', password: 'a' })
  t.equal(answer.statusCode, 400)
  t.strictSame(answer.json(), {
    status: 'error',
    code: 'validation_failed',
    message: 'The request is not valid',
    errors: [
      { field: 'email', message: 'E-mail must be an e-mail address.' },
      {
        field: 'username',
        message: 'Username must be 1 to 64 letters and digits; . _ - are allowed between them.',
      },
      {
        field: 'mobile',
        message: 'Mobile number must be 6 to 15 digits, with or without a leading +.',
      },
      { field: 'password', message: 'Password must have at least 8 characters.' },
    ],
  })
  t.match((await register(test, { password: 'a' })).json(), {
    code: 'validation_failed',
    errors: [
      {
        field: 'email',
        message: 'E-mail is required unless a username or a mobile number is given.',
      },
      { field: 'password' },
    ],
  })
  t.match((await register(test, { ...ada, password: 'a' })).json(), {
    code: 'weak_password',
    errors: [{ field: 'password', message: 'Password must have at least 8 characters.' }],
  })
  t.strictSame(await test.sql('select from users'), [])
})

t.test('of many that register one name at once, one has it', async (t) => {
  const test = await testApp(t)
  const answers = await Promise.all(Array.from({ length: 20 }, () => register(test, ada)))
  const codes = answers.map(({ statusCode }) => statusCode).sort()
  t.same(codes, [201, ...Array<number>(19).fill(409)])
})
