import t, { type Test } from 'tap'
import { v7 as uuidv7 } from 'uuid'
import type { Purpose } from '../../../src/features/codes/repository.js'
import { createCodeSecrets, type CodePair } from '../../../src/features/codes/secrets.js'
import { createCodeService } from '../../../src/features/codes/service.js'
import { createStore } from '../../../src/store.js'
import { readIdentifier } from '../../../src/features/identifiers/identifiers.js'
import { ada, keysSecret, testApp } from '../../support/app.js'
import { rounds } from '../../support/rounds.js'

const owners = Array.from({ length: rounds(50) }, (_, n) => `owner-${n}@example.org`)
const rivals = 20

/** Two instances on one database, and codes made as the outbox makes them. */
async function instances(t: Test) {
  const env = { ACTIVATION: 'required' }
  const first = await testApp(t, { env })
  const second = await testApp(t, { env, url: first.url })
  const apps = [first.app, second.app] as const
  const store = createStore(first.db, {
    denyFor: 60,
    idleTtl: 60,
    grace: 10,
    keysSecret,
    publicUrl: '',
    newId: uuidv7,
    onMessage: () => undefined,
    onDenied: () => undefined,
    onDoubt: () => undefined,
  })
  const codes = createCodeService({ store, secrets: createCodeSecrets(keysSecret), newId: uuidv7 })

  const post = async (url: string, payload: object, nth = 0) =>
    (await apps[nth % 2 === 0 ? 0 : 1].inject({ method: 'POST', url, payload })).statusCode

  return {
    sql: first.sql,
    post,
    /** A code for a new account that waits for one. */
    async codeFor(email: string, purpose: Purpose): Promise<CodePair> {
      const id = uuidv7()
      const insert = 'insert into users (id, email, email_canonical) values ($1, $2, $2)'
      await first.db.query(insert, [id, email])
      return codes.make(store, { user_id: id, purpose, identifier: readIdentifier('email', email) })
    },
  }
}

type Trial = {
  url: string
  purpose: Purpose
  event: string
  body: (email: string, pair: CodePair, nth: number) => object
}

const newPassword = (nth: number) => `another horse battery ${nth}`

const trials: Record<string, Trial> = {
  'a link activates': {
    url: '/api/activate',
    purpose: 'activation',
    event: 'user.activated',
    body: (_email, { link }) => ({ token: link }),
  },
  'a typed code activates': {
    url: '/api/activate',
    purpose: 'activation',
    event: 'user.activated',
    body: (email, { code }) => ({ email, code }),
  },
  'a message, by its link or its code, resets the password': {
    url: '/api/password/reset',
    purpose: 'password_reset',
    event: 'password.reset',
    body: (email, { link, code }, nth) => ({
      ...(nth % 4 < 2 ? { token: link } : { email, code }),
      new_password: newPassword(nth),
    }),
  },
}

for (const [name, { url, purpose, event, body }] of Object.entries(trials)) {
  t.test(`${name} once, however many send it at once to however many instances`, async (t) => {
    const { sql, post, codeFor } = await instances(t)
    const statuses: number[] = []
    for (const email of owners) {
      const pair = await codeFor(email, purpose)
      const answers = await Promise.all(
        Array.from({ length: rivals }, (_, nth) => post(url, body(email, pair, nth), nth)),
      )
      const winners = answers.flatMap((status, nth) => (status === 200 ? [nth] : []))
      t.equal(winners.length, 1, email)
      statuses.push(...answers)
      if (purpose !== 'password_reset') continue
      const winner = winners[0] ?? -1
      t.equal(await post('/api/login', { email, password: newPassword(winner) }), 200)
    }
    t.equal(statuses.filter((status) => status === 200).length, owners.length)
    t.same(new Set(statuses), new Set([200, 400]))
    const acts = await sql('select from audit_log where event = $1', [event])
    t.equal(acts.length, owners.length)
  })
}

t.test('of many wrong guesses at once exactly five count, and then the code is dead', async (t) => {
  const { sql, post, codeFor } = await instances(t)
  const { email } = ada
  const { code, link } = await codeFor(email, 'activation')
  const wrong = Array.from({ length: 50 }, (_, nth) =>
    String((Number(code) + 1 + nth) % 10 ** 8).padStart(8, '0'),
  )
  const statuses = await Promise.all(
    wrong.map((guess, nth) => post('/api/activate', { email, code: guess }, nth)),
  )
  t.same(new Set(statuses), new Set([400]))
  t.same(await sql('select attempts from one_time_codes'), [{ attempts: 5 }])
  t.equal(await post('/api/activate', { email, code }), 400, 'even the right code')
  t.equal(await post('/api/activate', { token: link }), 200, 'but nobody guesses the link')
})

t.test('four wrong guesses leave the code alive', async (t) => {
  const { post, codeFor } = await instances(t)
  const { email } = ada
  const { code } = await codeFor(email, 'activation')
  const wrong = String((Number(code) + 1) % 10 ** 8).padStart(8, '0')
  const statuses = await Promise.all(
    Array.from({ length: 4 }, (_, nth) => post('/api/activate', { email, code: wrong }, nth)),
  )
  t.same(new Set(statuses), new Set([400]))
  t.equal(await post('/api/activate', { email, code }), 200)
})
