import { availableParallelism } from 'node:os'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/load.js'
import { Environment } from '../../src/config/variables.js'

const secret = 'kV7pQ2xN9mT4wZ8rB3cF6hJ1sD5gL0yA'
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://db/gatehouse',
  KEYS_SECRET: secret,
}

/** What loadConfig() has against an environment. */
function faults(env: Record<string, string>): string {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

t.test('an empty environment is a working development configuration', (t) => {
  const config = loadConfig({})
  t.match(config, {
    NODE_ENV: 'development',
    PORT: 3000,
    PUBLIC_URL: 'http://localhost:3000',
    JWT_ISSUER: 'http://localhost:3000',
    JWT_ALGORITHM: 'ES256',
    ACCESS_TOKEN_TTL: 900,
    REFRESH_TOKEN_TTL: 2_592_000,
    ARGON2_MEMORY: 19_456,
    TRUST_PROXY: ['loopback'],
    CORS_ORIGINS: [],
    RELATED_ORIGINS: [],
  })
  t.ok(Object.isFrozen(config))
  t.end()
})

t.test('every fault is named at once, each in a line, and no secret is shown', (t) => {
  const message = faults({
    PORT: 'x-hunter2-x',
    ARGON2_MEMORY: '12',
    JWT_ALGORITHM: 'none',
    ACCESS_TOKEN_TTL: 'forever',
    PUBLIC_URL: 'ftp://hunter2',
    KEYS_SECRET: 'hunter2',
  })
  t.equal(message.split('\n').length, 7)
  for (const name of [
    'PORT',
    'ARGON2_MEMORY',
    'JWT_ALGORITHM',
    'ACCESS_TOKEN_TTL',
    'PUBLIC_URL',
    'KEYS_SECRET',
  ]) {
    t.match(message, name)
  }
  t.notMatch(message, 'hunter2')
  t.end()
})

t.test('a fault has the value, the form that is wanted, and the origin that was meant', (t) => {
  const expected = {
    PORT: ['70000', 'must be a whole number from 0 to 65535, not "70000"'],
    JWT_ALGORITHM: ['none', 'must be one of ES256, EdDSA, RS256, HS256, not "none"'],
    ACCESS_TOKEN_TTL: ['1 hour', 'must be a duration such as 30s, 15m, 12h or 30d, not "1 hour"'],
    KEY_ROTATION: ['29m', 'must be 30m or more, not "29m"'],
    SESSION_IDLE_TTL: ['1m', 'must not be shorter than ACCESS_TOKEN_TTL: it is "1m"'],
    APP_NAME: ['a'.repeat(61), 'must be one line of 1 to 60 characters: it has 61'],
    JWT_AUDIENCE: ['a'.repeat(256), 'must have 1 to 255 characters: it has 256'],
    OIDC_NAME: ['a\u001b[31m', 'must be one line of 1 to 40 characters, not "a\\u001b[31m"'],
    PUBLIC_URL: [
      'https://a.example/login',
      'must be an origin such as https://auth.example.org, not "https://a.example/login": write https://a.example',
    ],
  }
  for (const [name, [value = '', message = '']] of Object.entries(expected)) {
    t.equal(faults({ [name]: value }), `Invalid configuration: ${name} ${message}`)
  }
  t.end()
})

t.test('what may be a secret is not shown, in whichever variable it stands', (t) => {
  const values = [secret, 'https://ada:hunter2@example.org', `x${secret}x`, 'a'.repeat(30) + '7']
  for (const PUBLIC_URL of values) {
    const message = faults({ PUBLIC_URL, KEYS_SECRET: secret })
    t.equal(
      message,
      'Invalid configuration: PUBLIC_URL must be an origin such as https://auth.example.org',
    )
  }
  t.notMatch(faults({ LOG_LEVEL: 'my hunter2', DATABASE_URL: 'hunter2' }), 'hunter2')
  t.match(
    faults({ METRICS_TOKEN: 'hunter2' }),
    /: it has 7; create one with `openssl rand -hex 32`$/,
  )
  t.match(faults({ DATABASE_URL: 'postgres://a:b#c@host/d' }), 'write # as %23')
  t.notMatch(faults({ DATABASE_URL: 'postgres://host:port/d' }), '%23')
  t.equal(
    faults({ KEYS_SECRET: 'hunter2' }),
    'Invalid configuration: KEYS_SECRET must have 32 to 4096 characters: it has 7; create one with `openssl rand -base64 48`',
  )
  t.end()
})

t.test('TRUST_PROXY names addresses and ranges as Fastify reads them', (t) => {
  for (const wrong of [
    'maybe',
    'true',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '::1/129',
    'loopback,x',
    '/',
  ]) {
    t.match(faults({ TRUST_PROXY: wrong }), `TRUST_PROXY must be addresses`, wrong)
    if (wrong !== 'loopback,x') t.match(faults({ TRUST_PROXY: wrong }), `not "${wrong}"`)
  }
  const right = ['none', '', 'loopback, 10.0.0.1', '10.0.0.0/8', '10.0.0.0/255.0.0.0', 'fd00::/8']
  for (const TRUST_PROXY of right) t.equal(faults({ TRUST_PROXY }), '', TRUST_PROXY)
  t.end()
})

t.test('a URL that no parser accepts is refused before it is used', (t) => {
  const password = 'postgres://ada:hunter/2@db/gatehouse'
  t.match(faults({ DATABASE_URL: password }), 'DATABASE_URL must be a URL such as postgres://')
  t.match(faults({ DATABASE_URL: password }), '/ as %2F')
  t.notMatch(faults({ DATABASE_URL: password }), 'hunter')
  t.match(faults({ MAIL_URL: 'smtp://a:99999' }), 'MAIL_URL must be a URL')
  t.match(faults({ SMS_WEBHOOK_URL: 'https://a:99999' }), 'SMS_WEBHOOK_URL must be a URL')
  const sockets = ['postgres:///db?host=/run/postgresql', 'postgres://ada:x@/db?host=/run']
  for (const DATABASE_URL of sockets) t.equal(faults({ DATABASE_URL }), '', DATABASE_URL)
  t.end()
})

t.test('a host of an app is written as a browser writes it, and is not that of PUBLIC_URL', (t) => {
  const https = { PUBLIC_URL: 'https://auth.example.org' }
  for (const host of [
    ...['https://app.example.org', 'app.example.org/', 'App.example.org', 'app.example.org:443'],
    ...['app.example.org.', '*.example.org', 'app example', 'a@b', 'x:99999', '[::1', '?', '#x'],
    ...['auth.example.org', 'auth.example.org:8443', 'app.example.org,,auth.example.org'],
  ]) {
    t.match(faults({ ...https, FORWARD_AUTH_HOSTS: host }), 'FORWARD_AUTH_HOSTS', host)
  }
  const right = 'app.example.org, app.example.net:8443,xn--bcher-kva.example,[::1]:4000,192.0.2.1'
  t.equal(faults({ ...https, FORWARD_AUTH_HOSTS: right }), '')
  t.match(faults({ FORWARD_AUTH_HOSTS: 'localhost:4000' }), 'FORWARD_AUTH_HOSTS')
  t.equal(faults({ FORWARD_AUTH_HOSTS: 'app.localhost:4000' }), '')
  t.equal(faults({ ...https, FORWARD_AUTH_HOSTS: '' }), '')
  t.end()
})

t.test('an origin that could never match, or matches too much, is refused', (t) => {
  for (const origin of [
    'null',
    '*',
    'https://app.example.org/',
    'app.example.org',
    'https://a.example,null',
  ]) {
    t.match(faults({ CORS_ORIGINS: origin }), 'CORS_ORIGINS', origin)
  }
  t.equal(faults({ CORS_ORIGINS: 'https://app.example.org, http://localhost:4321' }), '')
  for (const origin of [
    '*',
    'null',
    'app.example.org',
    'https://app.example.org/',
    'https://*.a.b',
  ])
    t.match(faults({ RELATED_ORIGINS: origin }), 'RELATED_ORIGINS', origin)
  const PUBLIC_URL = 'https://auth.example.org'
  t.match(faults({ PUBLIC_URL, RELATED_ORIGINS: 'http://a.example' }), 'RELATED_ORIGINS', 'http')
  t.equal(faults({ PUBLIC_URL, RELATED_ORIGINS: 'https://a.example,https://b.example' }), '')
  t.match(faults({ PUBLIC_URL: 'https://a:99999' }), 'PUBLIC_URL')
  t.end()
})

t.test('production needs a database and a secret', (t) => {
  t.match(
    faults({ NODE_ENV: 'production' }),
    /DATABASE_URL is required.*\n.*KEYS_SECRET is required/,
  )
  t.equal(faults(production), '')
  t.end()
})

t.test('production limits abuse, and never writes what it should send to the log', (t) => {
  t.match(faults({ ...production, RATE_LIMIT: 'off' }), 'RATE_LIMIT')
  t.match(faults({ ...production, MAIL_URL: 'log' }), 'MAIL_URL')
  t.match(faults({ ...production, ACTIVATION: 'required' }), 'ACTIVATION')
  const MAIL_URL = 'smtp://mail.example.org:587'
  t.equal(faults({ ...production, ACTIVATION: 'required', MAIL_URL }), '')
  t.equal(loadConfig(production).MAIL_URL, undefined)
  t.equal(loadConfig({}).MAIL_URL, 'log')
  t.match(faults({ SMS_WEBHOOK_URL: 'https://sms.example.org' }), 'SMS_WEBHOOK_SECRET')
  t.end()
})

t.test('a name may be of any letters, but of one line', (t) => {
  const names = {
    APP_NAME: 'Acme Paper {Co}',
    OIDC_NAME: 'École C',
    MAIL_FROM: 'Pip <pip@ccp.org>',
  }
  t.match(loadConfig(names), names)
  for (const name of Object.keys(names)) t.match(faults({ [name]: 'a@b\nc' }), name)
  t.end()
})

t.test('what works only together is required together', (t) => {
  const together = [
    ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
    ['GITHUB_CLIENT_SECRET', 'GITHUB_CLIENT_ID'],
    ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ]
  for (const [given = '', missing = ''] of together) {
    t.match(faults({ [given]: 'given' }), `${missing} is required with ${given}`)
  }
  t.match(faults({ OIDC_ISSUER: 'https://id.example.org' }), 'OIDC_CLIENT_ID is required')
  const plain = { OIDC_ISSUER: 'http://id.example.org', GITHUB_URL: 'http://git.example.org' }
  t.match(faults({ ...production, ...plain, OIDC_CLIENT_ID: 'a' }), 'OIDC_ISSUER must be https')
  t.match(faults({ ...production, ...plain, OIDC_CLIENT_ID: 'a' }), 'GITHUB_URL must be https')
  t.end()
})

t.test('secrets of an old app need an end date, a fitting algorithm, and strength', (t) => {
  const secret = 'w&8s5^5vuhy2-gvkyi=gg4e*tso*51mb$l'
  const until = { OLD_APP_UNTIL: '2027-01-31' }
  const keys =
    '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
  t.match(faults({ OLD_APP_COOKIE_SECRET: secret }), 'OLD_APP_UNTIL is required')
  t.equal(faults({ ...until, OLD_APP_COOKIE_SECRET: secret, OLD_APP_JWT_SECRET: secret }), '')
  t.equal(faults({ ...until, OLD_APP_JWT_KEYS: keys, OLD_APP_JWT_ALGORITHM: 'EdDSA' }), '')
  const bad: [Record<string, string>, string | RegExp][] = [
    [{ OLD_APP_UNTIL: '2027-02-30' }, 'OLD_APP_UNTIL must be a date'],
    [{ OLD_APP_UNTIL: 'soon' }, 'OLD_APP_UNTIL must be a date'],
    [{ OLD_APP_JWT_SECRET: 'short' }, /OLD_APP_JWT_SECRET must have 24 to 4096 characters/],
    [{ OLD_APP_JWT_SECRET: 'secret'.repeat(9) }, /OLD_APP_JWT_SECRET can be guessed/],
    [{ OLD_APP_JWT_SECRET: secret, KEYS_SECRET: secret }, /KEYS_SECRET must not be the same/],
    [
      { OLD_APP_JWT_SECRET: secret, OLD_APP_JWT_ALGORITHM: 'ES256' },
      /must be HS256, HS384 or HS512/,
    ],
    [{ OLD_APP_JWT_KEYS: keys }, /must be RS256, ES256 or EdDSA/],
    [{ OLD_APP_JWT_KEYS: '{"keys":[{"kty":"oct","k":"AA"}]}' }, /Key Set of public keys/],
    [{ OLD_APP_JWT_KEYS: keys, OLD_APP_JWT_SECRET: secret }, /are both set/],
    [{ OLD_APP_JWT_USER: 'sub' }, /OLD_APP_JWT_USER must be NAME=FIELD/],
    [{ OLD_APP_COOKIE_USER: 'email=password' }, /OLD_APP_COOKIE_USER must be NAME=FIELD/],
  ]
  for (const [env, fault] of bad) t.match(faults({ ...until, ...env }), fault)
  t.end()
})

t.test('a rate is so many in so much time', (t) => {
  t.same(loadConfig({ RATE_LIMIT_LOGIN: '7/2h' }).RATE_LIMIT_LOGIN, { points: 7, seconds: 7_200 })
  for (const rate of ['0/1h', '5', '5/h', 'many/1h']) {
    t.match(faults({ RATE_LIMIT_LOGIN: rate }), 'RATE_LIMIT_LOGIN', rate)
  }
  t.end()
})

t.test('a secret that can be guessed is refused', (t) => {
  const weak = [
    '',
    'secret',
    'undefined',
    'short-but-random-9f8a',
    'a'.repeat(64),
    'changeme'.repeat(5),
  ]
  weak.push(
    'change-me-change-me-change-me-change-me',
    'your-secret-your-secret-password',
    '12'.repeat(20),
  )
  for (const value of weak) {
    for (const name of ['KEYS_SECRET', 'JWT_SECRET', 'METRICS_TOKEN']) {
      t.match(faults({ ...production, [name]: value }), name, `${name}=${value}`)
    }
  }
  t.end()
})

t.test('a secret that others know is not the one that keeps the keys', (t) => {
  for (const name of ['JWT_SECRET', 'SMS_WEBHOOK_SECRET', 'METRICS_TOKEN']) {
    const env = { KEYS_SECRET: secret, [name]: secret }
    t.match(faults(env), `KEYS_SECRET must not be the same as ${name}`, name)
  }
  t.end()
})

t.test('the audience of access tokens is not that of another kind of token', (t) => {
  const reserved: Record<string, string>[] = [
    { JWT_AUDIENCE: 'http://localhost:3000/refresh' },
    { JWT_AUDIENCE: 'http://localhost:4000/revocations', PORT: '4000' },
    { JWT_AUDIENCE: 'https://auth.example.org/refresh', PUBLIC_URL: 'https://auth.example.org' },
    { JWT_AUDIENCE: 'us/refresh', JWT_ISSUER: 'us', PUBLIC_URL: 'https://auth.example.org' },
  ]
  for (const env of reserved) t.match(faults(env), 'JWT_AUDIENCE')
  t.equal(faults({ JWT_AUDIENCE: 'https://auth.example.org/refresh' }), '')
  t.end()
})

t.test('a token that no header could hold is refused', (t) => {
  t.equal(faults({ METRICS_TOKEN: `${secret}==` }), '')
  for (const token of [
    `${secret} ${secret}`,
    `${secret},`,
    `${secret}ü`,
    `${secret}\t`,
    `=${secret}`,
  ]) {
    t.match(faults({ METRICS_TOKEN: token }), 'METRICS_TOKEN', token)
  }
  t.end()
})

t.test('a secret may come from a file, without its last line end', (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'gatehouse-')), 'secret')
  writeFileSync(file, `${secret}\n`)
  t.equal(loadConfig({ KEYS_SECRET_FILE: file }).KEYS_SECRET, secret)
  t.match(
    faults({ KEYS_SECRET: secret, KEYS_SECRET_FILE: file }),
    'KEYS_SECRET and KEYS_SECRET_FILE are both set',
  )
  t.match(
    faults({ KEYS_SECRET_FILE: `${file}.missing` }),
    'KEYS_SECRET_FILE cannot be read (ENOENT)',
  )
  t.notMatch(faults({ KEYS_SECRET_FILE: secret }), secret)
  t.end()
})

t.test('an empty variable counts as unset', (t) => {
  t.equal(loadConfig({ PORT: '', PUBLIC_URL: '' }).PORT, 3000)
  t.end()
})

t.test('durations are in seconds, whatever their unit', (t) => {
  for (const [text, seconds] of Object.entries({
    '30s': 30,
    '15m': 900,
    '12h': 43_200,
    '7d': 604_800,
  })) {
    t.equal(loadConfig({ REFRESH_TOKEN_TTL: text }).REFRESH_TOKEN_TTL, seconds)
  }
  t.match(faults({ ACCESS_TOKEN_TTL: '25h' }), 'ACCESS_TOKEN_TTL must be a day or less')
  t.end()
})

t.test('a session does not end while its access token is good', (t) => {
  t.match(faults({ SESSION_IDLE_TTL: '14m' }), 'SESSION_IDLE_TTL must not be shorter than ACCESS')
  t.equal(loadConfig({ SESSION_IDLE_TTL: '15m' }).SESSION_IDLE_TTL, 900)
  t.end()
})

t.test('a key signs for long enough to be followed by one that was published', (t) => {
  t.match(faults({ KEY_ROTATION: '29m' }), 'KEY_ROTATION must be 30m or more')
  t.match(faults({ KEY_ROTATION: '1h', ACCESS_TOKEN_TTL: '61m' }), /KEY_ROTATION.*ACCESS_TOKEN_TTL/)
  t.equal(loadConfig({ KEY_ROTATION: '1h', ACCESS_TOKEN_TTL: '1h' }).KEY_ROTATION, 3_600)
  t.match(faults({ KEY_ROTATION: '1m', PORT: 'x' }), /PORT.*\n.*KEY_ROTATION/, 'with other faults')
  t.end()
})

t.test('as many passwords are hashed at once as there are cores, at most 16', (t) => {
  t.equal(loadConfig({}).HASH_LANES, Math.min(availableParallelism(), 16))
  t.equal(loadConfig({ HASH_LANES: '7' }).HASH_LANES, 7)
  const megabyte = 1_048_576
  t.equal(loadConfig({}, [], 160 * megabyte).HASH_LANES, 1, 'in a small container')
  t.equal(loadConfig({ ARGON2_MEMORY: '1048576' }, [], 512 * megabyte).HASH_LANES, 1)
  t.end()
})

t.test('.env.example and docs name every variable, and no other', (t) => {
  const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
  const names = Object.keys(Environment.properties).sort()
  const example = [...read('.env.example').matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(
    ([, name]) => name,
  )
  t.same(example.sort(), names)
  const page = read('docs/reference/configuration.md')
  const table = [...page.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map(([, name]) => name)
  t.same(table.sort(), names)
  t.end()
})

t.test('a duration is a whole number and a unit, up to a century', (t) => {
  for (const text of ['0s', '1.5h', '36', '1w', '-1d', '1h30m', '99999999d', '36501d']) {
    t.match(faults({ AUDIT_RETENTION: text }), 'AUDIT_RETENTION', text)
  }
  for (const text of ['1s', '90m', '36h', '36500d']) {
    t.equal(faults({ AUDIT_RETENTION: text }), '', text)
  }
  t.end()
})
