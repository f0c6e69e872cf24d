import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../../support/app.js'
import { foreignHash } from '../../support/foreign-hashes.js'
import { shuffle } from '../../support/random.js'

// A few rounds find what a missing hash or a message sent in between would show; many, as far as a
// remote attacker could average, with a bound to match.
const isLong = process.env.TEST_ROUNDS === 'all'
const ROUNDS = isLong ? 200 : 31
const bound = isLong ? 0.05 : 0.25

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

type Bodies = Record<string, object>

/**
 * The times of each kind as parts of the first one's, the median of many rounds. In random order, so
 * that none always follows the same one; round by round, since what slows the machine slows a round.
 */
async function compare(url: string, status: number, bodies: Bodies, rounds: number) {
  const [first = ''] = Object.keys(bodies)
  const ratios: Record<string, number[]> = {}
  // The first few pay for connections and compilation.
  for (let round = -3; round < rounds; round += 1) {
    const times: Record<string, number> = {}
    for (const [kind, body] of shuffle(Object.entries(bodies))) {
      const request = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }
      const start = performance.now()
      const answer = await fetch(url, request)
      await answer.arrayBuffer()
      times[kind] = performance.now() - start
      if (answer.status !== status) throw new Error(`${kind} was answered ${answer.status}`)
    }
    if (round < 0) continue
    for (const [kind, time] of Object.entries(times)) {
      if (kind !== first) (ratios[kind] ??= []).push(time / (times[first] ?? 0))
    }
  }
  return Object.entries(ratios).map(([kind, values]) => [kind, median(values)] as const)
}

async function service(t: Test) {
  // The hash costs enough to be most of a login, as it does by default.
  const { app, origin, sql } = await listeningApp(t, {
    env: { ARGON2_MEMORY: '19456', ARGON2_ITERATIONS: '2' },
  })
  for (const name of ['ada', 'off', 'new']) {
    await signUp(app, { ...ada, email: `${name}@example.org` })
  }
  await sql(`update users set disabled_at = now() where email = 'off@example.org'`)
  await sql(`update users set activated_at = null where email = 'new@example.org'`)
  return origin
}

const emails = {
  known: 'ada@example.org',
  unknown: 'eve@example.org',
  disabled: 'off@example.org',
  'not activated': 'new@example.org',
}

t.test('a login that fails cannot be told apart by time from another', async (t) => {
  const origin = await service(t)
  const wrong = { password: 'wrong horse battery' }
  const bodies = {
    known: { email: emails.known, ...wrong },
    unknown: { email: emails.unknown, ...wrong },
    disabled: { email: emails.disabled, ...wrong },
    'not activated': { email: emails['not activated'], ...wrong },
    'disabled, with the right password': { email: emails.disabled, password: ada.password },
  }
  for (const [kind, ratio] of await compare(`${origin}/api/login`, 401, bodies, ROUNDS)) {
    const isAlike = Math.abs(ratio - 1) < bound
    t.ok(isAlike, `${kind} takes ${ratio.toFixed(3)} of a wrong password's time`)
  }
})

/** A scheme of each kind. The longest of these takes eight times as long as argon2id. */
const formats = [
  'werkzeug pbkdf2:sha256',
  'werkzeug scrypt',
  'bcrypt $2b$',
  'passlib sha512_crypt',
  'passlib pbkdf2_sha512',
  'argon2i',
  'werkzeug sha1',
]

// Each of these requests takes as long as the slowest of the hashes.
const slowRounds = isLong ? ROUNDS : 10

t.test('nor does it tell which users have not logged in since an import', async (t) => {
  const { app, origin, sql } = await listeningApp(t, {
    env: { ARGON2_MEMORY: '19456', ARGON2_ITERATIONS: '2' },
  })
  await signUp(app)
  const wrong = { password: 'wrong horse battery' }
  const bodies: Bodies = { known: { email: ada.email, ...wrong } }
  for (const [at, format] of formats.entries()) {
    const { hash, scheme } = foreignHash(format)
    const email = `user${at}@example.org`
    await sql(
      `insert into users (id, email, email_canonical, password_hash, password_scheme, activated_at)
       values (gen_random_uuid(), $1, $1, $2, $3, now())`,
      [email, hash, scheme],
    )
    bodies[format] = { email, ...wrong }
  }
  bodies.unknown = { email: emails.unknown, ...wrong }
  for (const [kind, ratio] of await compare(`${origin}/api/login`, 401, bodies, slowRounds)) {
    const isAlike = Math.abs(ratio - 1) < bound
    t.ok(isAlike, `${kind} takes ${ratio.toFixed(3)} of a known account's time`)
  }
})

t.test('asking for a new password takes as long whether there is an account or not', async (t) => {
  const origin = await service(t)
  const bodies = Object.fromEntries(
    Object.entries(emails).map(([kind, email]) => [kind, { email }]),
  )
  const url = `${origin}/api/password/forgot`
  for (const [kind, ratio] of await compare(url, 202, bodies, ROUNDS * 4)) {
    const isAlike = Math.abs(ratio - 1) < bound
    t.ok(isAlike, `${kind} takes ${ratio.toFixed(3)} of a known account's time`)
  }
})
