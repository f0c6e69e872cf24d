import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
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

const namesIn = (dependencies: Record<string, Installed> = {}): string[] =>
  Object.entries(dependencies).flatMap(([name, { dependencies }]) => [
    name,
    ...namesIn(dependencies),
  ])

t.test('npm installs @gatehouse/verify into an empty project, with one dependency', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-install-'))
  t.teardown(() => rm(dir, { recursive: true }))
  await writeFile(join(dir, 'package.json'), '{"private":true,"type":"module"}')
  const readme = await readFile(join(root, 'packages', 'verify', 'README.md'), 'utf8')
  const [, pack = '', install = ''] =
    /```sh\n(npm pack .+)\n(npm install .+)\n```/.exec(readme) ?? []
  const runIn = (cwd: string, command: string) =>
    run('sh', ['-c', command.replaceAll('/tmp', dir)], { cwd })
  await runIn(root, pack)
  await runIn(dir, install)

  const { stdout: tree } = await run('npm', ['ls', '--all', '--json'], { cwd: dir })
  const { dependencies = {} } = JSON.parse(tree) as Installed
  t.same(Object.keys(dependencies), ['@gatehouse/verify'])
  t.same(namesIn(dependencies), ['@gatehouse/verify', '@sinclair/typebox'], 'and none of theirs')

  const { app, origin } = await listeningApp(t)
  const { access_token, user } = await signUp(app)
  await writeFile(join(dir, 'program.js'), program)
  const args = ['program.js', issuer, origin, access_token]
  const { stdout } = await run(process.execPath, args, { cwd: dir })
  t.equal(stdout.trim(), user.id)
})
