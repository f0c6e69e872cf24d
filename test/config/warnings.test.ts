import t from 'tap'
import { loadConfig } from '../../src/config/load.js'
import { unknownVariables } from '../../src/config/unknown.js'
import { Environment } from '../../src/config/variables.js'
import { logWarnings } from '../../src/config/warnings.js'

t.test('a variable that looks like one of ours is named, with the one that was meant', (t) => {
  const meant = {
    DATABSE_URL: 'DATABASE_URL',
    PROT: 'PORT',
    PUBLICURL: 'PUBLIC_URL',
    public_url: 'PUBLIC_URL',
    GATEHOUSE_PORT: 'PORT',
    GATEHOUSE_KEYS_SECRET: 'KEYS_SECRET',
    GATEHOUSE_DATABASE_URI: 'DATABASE_URL',
    KEY_SECRET: 'KEYS_SECRET',
    KEYS_SECRET_FILES: 'KEYS_SECRET_FILE',
    ACCESS_TOKEN_TLL: 'ACCESS_TOKEN_TTL',
  }
  for (const [name, other] of Object.entries(meant)) {
    t.same(unknownVariables({ [name]: 'hunter2' }), [
      `${name} is not a variable of Gatehouse and is ignored: did you mean ${other}?`,
    ])
  }
  for (const name of ['ACCESS_TOKEN_LIFETIME', 'REFRESH_TOKEN_EXPIRES', 'RATE_LIMIT_PASSWORDS']) {
    t.same(unknownVariables({ [name]: 'hunter2' }), [
      `${name} is not a variable of Gatehouse and is ignored: docs/reference/configuration.md lists every one`,
    ])
  }
  t.same(unknownVariables({ PORT_FILE: '/x' }), [
    'PORT_FILE is ignored: only secrets can be in a file; set PORT',
  ])
  t.end()
})

t.test('our variables, and those of other programs, are not named', (t) => {
  const names = `HOME HOST PATH SHELL USER LANG TERM PWD MAIL EDITOR HOSTNAME SESSION_MANAGER XDG_SESSION_ID
    GITHUB_TOKEN GITHUB_ACTIONS GOOGLE_APPLICATION_CREDENTIALS NODE_OPTIONS NODE_PATH NO_COLOR
    POSTGRES_PASSWORD PGPASSWORD UV_THREADPOOL_SIZE MALLOC_ARENA_MAX npm_config_port INIT_CWD LOGNAME
    GATEHOUSE_KEY GATEHOUSE_URL GATEHOUSE_ISSUER GATEHOUSE_AUDIENCE GATEHOUSE_SITE_PROXIES
    GATEHOUSE_SERVICE_HOST GATEHOUSE_SERVICE_PORT_HTTP GATEHOUSE_PORT_3000_TCP_ADDR CI DEBUG`
  const env = Object.fromEntries(
    [...names.split(/\s+/), ...Object.keys(Environment.properties)].map((name) => [name, 'x']),
  )
  const kubernetes = { GATEHOUSE_PORT: 'tcp://10.0.0.1:3000', KEYS_SECRET_FILE: '/x' }
  t.same(unknownVariables({ ...env, ...kubernetes }), [])
  t.end()
})

t.test('production warns of http, of localhost and of missing mail', (t) => {
  const warningsOf = (env: Record<string, string>) => {
    const warnings: string[] = []
    logWarnings({ warn: (text) => void warnings.push(text) }, loadConfig(env), env)
    return warnings.join('\n')
  }
  const production = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://db/gatehouse',
    KEYS_SECRET: 'kV7pQ2xN9mT4wZ8rB3cF6hJ1sD5gL0yA',
    MAIL_URL: 'smtp://mail.example.org',
  }
  t.match(warningsOf(production), 'PUBLIC_URL is localhost')
  const plain = { ...production, PUBLIC_URL: 'http://auth.example.org' }
  t.match(warningsOf(plain), 'PUBLIC_URL=http://auth.example.org is not https')
  const PUBLIC_URL = 'https://auth.example.org'
  t.equal(warningsOf({ ...production, PUBLIC_URL }), '')
  const { MAIL_URL, ...silent } = production
  t.ok(MAIL_URL)
  t.match(warningsOf({ ...silent, PUBLIC_URL }), 'neither MAIL_URL')
  t.equal(warningsOf({ PUBLIC_URL: 'http://auth.example.org' }), '')
  t.end()
})
