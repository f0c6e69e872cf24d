import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { listeningApp, signUp } from '../support/app.js'
import { issuer } from '../support/verifier.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

const program = `
import { createVerifier } from '@gatehouse/verify'
const [issuer, url, token] = process.argv.slice(2)
const verifier = createVerifier({ issuer, url })
await verifier.ready
console.log((await verifier.verify(token)).sub)
await verifier.close()
`

type Installed = { dependencies?: Record<string, Installed> }

t.test('npm installs @gatehouse/verify into an empty project, with two dependencies', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-install-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const pack = ['pack', '-w', 'packages/verify', '--ignore-scripts', '--pack-destination', dir]
  await run('npm', pack, { cwd: root })
  const [archive = ''] = await readdir(dir)
  await writeFile(join(dir, 'package.json'), '{"private":true,"type":"module"}')
  await run('npm', ['install', '--no-audit', '--no-fund', `./${archive}`], { cwd: dir })

  const { stdout: tree } = await run('npm', ['ls', '--all', '--json'], { cwd: dir })
  const { dependencies = {} } = JSON.parse(tree) as Installed
  t.same(Object.keys(dependencies), ['@gatehouse/verify'])
  const own = Object.keys(dependencies['@gatehouse/verify']?.dependencies ?? {})
  t.same(own.sort(), ['@sinclair/typebox', 'fast-jwt'])

  const { app, origin } = await listeningApp(t)
  const { access_token, user } = await signUp(app)
  await writeFile(join(dir, 'program.js'), program)
  const args = ['program.js', issuer, origin, access_token]
  const { stdout } = await run(process.execPath, args, { cwd: dir })
  t.equal(stdout.trim(), user.id)
})
