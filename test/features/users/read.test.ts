import t from 'tap'
import { bearer, signUp, testApp, type LoginAnswer } from '../../support/app.js'
import { sentStatements } from '../../support/sent-statements.js'

t.test('users who ask at the same time share statements, and each gets the own user', async (t) => {
  const { app } = await testApp(t)
  const logins: LoginAnswer[] = []
  for (const email of ['ada@example.org', 'bob@example.org', 'eve@example.org']) {
    logins.push(await signUp(app, { email, password: 'correct horse battery' }))
  }
  const sent = sentStatements(t)
  const many = Array.from({ length: 34 }, () => logins).flat()
  const answers = await Promise.all(
    many.map(({ access_token }) => app.inject({ url: '/api/user', headers: bearer(access_token) })),
  )
  t.strictSame(
    answers.map((answer) => answer.json<LoginAnswer>().user),
    many.map(({ user }) => user),
  )
  const reads = sent.filter(({ text }) => text.includes('from users where id = any'))
  t.ok(reads.length < many.length / 4, `${reads.length} statements for ${many.length} requests`)
})
