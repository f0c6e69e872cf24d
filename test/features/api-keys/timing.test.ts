import t from 'tap'
import { systemClock } from '../../../src/concurrency/clock.js'
import { hashSecret } from '../../../src/crypto/secrets.js'
import { createKeyLookup } from '../../../src/features/api-keys/lookup.js'
import { createApiKeyRepository } from '../../../src/features/api-keys/repository.js'
import { newApiKey } from '../../../src/features/api-keys/secret.js'
import { signUp, testApp } from '../../support/app.js'
import { shuffle } from '../../support/random.js'

const isLong = process.env.TEST_ROUNDS === 'all'
const rounds = isLong ? 1_000 : 151
const bound = isLong ? 0.05 : 0.2

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

t.test('a refused key does not tell by time whether it was ever one', async (t) => {
  const { app, db, sql } = await testApp(t)
  await signUp(app)
  await signUp(app, { email: 'off@example.org', password: 'correct horse battery' })
  await sql(`update users set disabled_at = now() where email = 'off@example.org'`)
  const kinds = {
    unknown: undefined,
    'another unknown': undefined,
    expired: ['ada@example.org', '-1 day'],
    'of a disabled user': ['off@example.org', '1 day'],
  } as const
  const secrets = new Map<string, string[]>()
  for (const [kind, stored] of Object.entries(kinds)) {
    const keys = Array.from({ length: rounds }, newApiKey)
    secrets.set(kind, keys)
    if (!stored) continue
    await sql(
      `insert into api_keys (id, user_id, name, secret_hash, created_at, expires_at)
       select gen_random_uuid(), id, 'backup', hash, now() - interval '2 days', now() + $2::interval
       from users, unnest($3::bytea[]) as hash where email = $1`,
      [...stored, keys.map(hashSecret)],
    )
  }
  const lookup = createKeyLookup({
    keys: createApiKeyRepository(db, () => undefined),
    ...{ issuer: 'https://auth.example.org', audience: 'gatehouse', ttl: 900, clock: systemClock },
  })
  let address = 0
  const timeOf = async (secret: string) => {
    address += 1 // a network that has tried no key yet has no pause
    const source = `10.${String(address >> 16)}.${String((address >> 8) & 255)}.${String(address & 255)}`
    const start = performance.now()
    await t.rejects(lookup.find(secret, source), { code: 'invalid_token' })
    return performance.now() - start
  }

  const ratios = new Map<string, number[]>()
  for (let round = 0; round < rounds; round += 1) {
    const order = shuffle([...secrets.keys()])
    const times = new Map<string, number>()
    for (const kind of order) times.set(kind, await timeOf(secrets.get(kind)?.[round] ?? ''))
    if (round < 10) continue // the first ones pay for connections and compilation
    for (const [kind, time] of times)
      ratios.set(kind, [...(ratios.get(kind) ?? []), time / (times.get('unknown') ?? 0)])
  }
  for (const [kind, values] of ratios) {
    const ratio = median(values)
    t.ok(Math.abs(ratio - 1) < bound, `${kind} takes ${ratio.toFixed(3)} of an unknown key's time`)
  }
})
