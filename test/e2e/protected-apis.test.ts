import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ada, bearer, logIn, signUp, testApp } from '../support/app.js'
import { freePort } from '../support/server-process.js'
import { until } from '../support/until.js'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url)
const guide = readFileSync(new URL('docs/protect-an-api.md', root), 'utf8')

/** The commands of the guide below a heading. */
function stepsOf(heading: string): string {
  const [, section = ''] = guide.split(`\n## ${heading}\n`)
  const [, steps] = /^```sh\n([^]*?)^```/m.exec(section) ?? []
  if (steps === undefined) throw new Error(`the guide has no commands below "${heading}"`)
  return steps
}

const startOf = (name: string) => {
  const [, command] =
    new RegExp(`^cd (examples/${name} && .+)$`, 'm').exec(stepsOf('Start the API')) ?? []
  if (command === undefined) throw new Error(`the guide does not start ${name}`)
  return command.split(' && ')
}

/** The API of an example, started by the last command of its line in the guide. */
async function startApi(t: Test, name: string, gatehouse: string): Promise<string> {
  const [folder = '', install = '', start = ''] = startOf(name)
  const cwd = fileURLToPath(new URL(folder, root))
  if (install.startsWith('npm') && !existsSync(`${cwd}/node_modules`)) {
    const { status, stderr } = spawnSync(install, { cwd, shell: true, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const port = String(await freePort())
  const env = { ...process.env, GATEHOUSE: gatehouse, PORT: port, PYTHONDONTWRITEBYTECODE: '1' }
  // Debian's Python has the packages of requirements.txt.
  const command = `exec ${start.replace('npm start', 'node app.js').replace(/^python3/, '/usr/bin/python3')}`
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const api = `http://localhost:${port}`
  await until(async () => {
    if (child.exitCode !== null) throw new Error(errors)
    return (await statusOf(`${api}/reports`, 'x')) === 401
  }, `${name} to know the revocations`)
  return api
}

const statusOf = (url: string, token: string) =>
  fetch(url, { headers: bearer(token) }).then(
    ({ status }) => status,
    () => 0,
  )

for (const name of ['express', 'fastify', 'flask']) {
  t.test(`examples/${name} refuses what its users may not do`, async (t) => {
    const port = await freePort()
    const gatehouse = `http://localhost:${port}`
    const service = await testApp(t, { env: { PUBLIC_URL: gatehouse } })
    const { app } = service
    await app.listen({ host: 'localhost', port })
    const { user } = await signUp(app)
    const api = await startApi(t, name, gatehouse)
    const ask = (path: string, token: string) => statusOf(api + path, token)

    const { access_token, refresh_token } = await logIn(app)
    t.equal(await ask('/reports', access_token), 200)
    const reply = await fetch(`${api}/reports`, { headers: bearer(access_token) })
    t.match(await reply.json(), { user: user.id, roles: ['user'] })
    t.equal(await ask('/admin', access_token), 403, 'without the role')
    t.equal(await ask('/reports', refresh_token), 401, 'a refresh token')
    t.equal(await ask('/reports', `${access_token.slice(0, -4)}AAAA`), 401, 'a forged token')
    const revocations = (await app.inject('/.well-known/revocations')).body
    t.equal(await ask('/reports', revocations), 401, 'the list of revocations')

    const isRefusedSoon = async (path: string, token: string, what: string) => {
      const ended = performance.now()
      await until(async () => (await ask(path, token)) === 401, what)
      const took = performance.now() - ended
      t.ok(took < 1_000, `${what}: ${took.toFixed()} ms`)
    }

    const logout = { method: 'POST', url: '/api/logout', headers: bearer(access_token) } as const
    await app.inject(logout)
    await isRefusedSoon('/reports', access_token, 'a logged-out token')

    const operator = { ...ada, email: 'root@example.org' }
    const { user: root } = await signUp(app, operator)
    await service.sql(`insert into user_roles values ($1, 'admin')`, [root.id])
    const admin = (await logIn(app, operator)).access_token
    t.equal(await ask('/admin', admin), 200, 'with the role')
    const demoted = (await logIn(app)).access_token
    const promotion = await app.inject({
      ...{ method: 'POST', url: `/api/users/${user.id}/roles/admin`, headers: bearer(admin) },
    })
    t.ok(promotion.statusCode < 300, promotion.body)
    await isRefusedSoon('/reports', demoted, 'a token with old roles')

    await t.test('the commands of the guide', async (t) => {
      const steps = [stepsOf('Ask it'), stepsOf('Log out')].join('\n')
      const commands = steps
        .replaceAll(/:3000\b/g, `:${port}`)
        .replaceAll(/:4000\b/g, `:${new URL(api).port}`)
        .replaceAll('http ', 'http --ignore-stdin ')
      const script = `set -e\n${commands}`
      const { stdout } = await run('bash', ['-c', script], { timeout: 60_000 })
      const statuses = [...stdout.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
      t.strictSame(statuses, ['200', '403', '401'])
    })

    await app.close()
    await until(async () => (await ask('/reports', admin)) === 503, 'the API to fail closed')
  })
}

t.test('the follower of the Flask example has at most 150 lines', (t) => {
  const source = readFileSync(new URL('examples/flask/gatehouse.py', root), 'utf8')
  t.ok(source.split('\n').length <= 150)
  t.end()
})
