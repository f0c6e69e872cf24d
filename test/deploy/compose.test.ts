import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

const secrets = { KEYS_SECRET: 'k'.repeat(64), POSTGRES_PASSWORD: 'p'.repeat(64) }

/** Compose's `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, innermost first. */
function compose(env: Record<string, string>) {
  const variable = /\$\{(\w+)(?::([-?])([^${}]*))?\}/
  let text = read('docker-compose.yml').replace(/^ *#.*$/gm, '')
  for (let found = variable.exec(text); found; found = variable.exec(text)) {
    const [all, name = '', operator, operand = ''] = found
    if (!env[name] && operator === '?') throw new Error(`${name}: ${operand}`)
    text = text.replace(all, () => env[name] || operand)
  }
  return parse(text)
}

t.test('only keys of the Compose Specification are used', async (t) => {
  const known = new Set(
    `build cap_drop depends_on env_file environment healthcheck image init networks ports read_only restart security_opt
     stop_grace_period tmpfs volumes`.split(/\s+/),
  )
  const file = compose(secrets)
  t.strictSame(Object.keys(file), ['services', 'networks', 'volumes'], 'no obsolete `version`')
  for (const [name, service] of Object.entries<object>(file.services)) {
    t.strictSame(
      Object.keys(service).filter((key) => !known.has(key)),
      [],
      name,
    )
  }
})

t.test('a missing or empty secret is refused by its name', async (t) => {
  for (const name of Object.keys(secrets)) {
    t.throws(() => compose({ ...secrets, [name]: '' }), {
      message: new RegExp(`^${name}: .*openssl`),
    })
  }
})

t.test('the service gets variables of .env.example only, and working defaults', async (t) => {
  const { environment, ports } = compose(secrets).services.gatehouse
  const settings = [...read('.env.example').matchAll(/^#? ?([A-Z][A-Z0-9_]*)=/gm)].map((m) => m[1])
  for (const name of Object.keys(environment)) t.ok(settings.includes(name), name)
  t.strictSame(environment, {
    NODE_ENV: 'production',
    HOST: '0.0.0.0',
    PORT: 3000,
    DATABASE_URL: `postgres://gatehouse:${secrets.POSTGRES_PASSWORD}@postgres:5432/gatehouse`,
    KEYS_SECRET: secrets.KEYS_SECRET,
    PUBLIC_URL: 'http://localhost:3000',
    TRUST_PROXY: 'loopback,10.94.203.0/24',
  })
  t.strictSame(ports, ['127.0.0.1:3000:3000'], 'clients reach it through a proxy alone')
})

t.test('another port moves the public URL with it, unless that is set too', async (t) => {
  const moved = compose({ ...secrets, PORT: '8080' }).services.gatehouse
  t.equal(moved.environment.PUBLIC_URL, 'http://localhost:8080')
  t.strictSame(moved.ports, ['127.0.0.1:8080:3000'])
  const proxied = compose({ ...secrets, PORT: '8080', PUBLIC_URL: 'https://auth.example.org' })
  t.equal(proxied.services.gatehouse.environment.PUBLIC_URL, 'https://auth.example.org')
})

t.test('only the network of the proxy is trusted, and the database is in another', async (t) => {
  const { services, networks } = compose({ ...secrets, PROXY_NETWORK: '10.9.8.0/24' })
  t.equal(services.gatehouse.environment.TRUST_PROXY, 'loopback,10.9.8.0/24')
  t.strictSame(networks, {
    proxy: { ipam: { config: [{ subnet: '10.9.8.0/24' }] } },
    database: { internal: true },
  })
  t.strictSame(services.gatehouse.networks, ['proxy', 'database'])
  t.strictSame(services.postgres.networks, ['database'])
})

t.test('the service runs with no more rights than it needs', async (t) => {
  t.match(compose(secrets).services.gatehouse, {
    init: true,
    read_only: true,
    tmpfs: ['/tmp'],
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    restart: 'unless-stopped',
    stop_grace_period: '15s',
  })
})

t.test(
  'the database is private, healthy before the service starts, and keeps its data',
  async (t) => {
    const { services, volumes } = compose(secrets)
    const { postgres, gatehouse } = services
    t.strictSame(gatehouse.depends_on, { postgres: { condition: 'service_healthy' } })
    t.notOk('ports' in postgres, 'no published port')
    t.strictSame(
      postgres.volumes,
      ['postgres:/var/lib/postgresql'],
      'not below it: 18 refuses that',
    )
    t.ok('postgres' in volumes)
    t.equal(postgres.environment.POSTGRES_PASSWORD, secrets.POSTGRES_PASSWORD)
    t.strictSame(postgres.healthcheck.test.slice(0, 2), ['CMD', 'pg_isready'])
    t.match(postgres.healthcheck, { interval: /s$/, timeout: /s$/, start_period: /s$/ })
  },
)

t.test('the image has its own health check and takes no signal away from node', async (t) => {
  const dockerfile = read('Dockerfile')
  t.match(dockerfile, /^HEALTHCHECK .*\\\n +CMD \["node", .*\/health\/ready/m)
  const { scripts } = JSON.parse(read('package.json')) as {
    scripts: { start: string }
  }
  // The compiled code of the build is for the options of `npm start`.
  const command = JSON.stringify(scripts.start.split(' ')).replaceAll(',', ', ')
  t.ok(dockerfile.includes(`\nCMD ${command}\n`), command)
  t.match(dockerfile, /^STOPSIGNAL SIGTERM$/m)
  t.match(dockerfile, /^USER 1000$/m, 'numeric, for runAsNonRoot')
})
