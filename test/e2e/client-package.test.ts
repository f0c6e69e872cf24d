import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

const program = `
import { createClient, GatehouseError } from '@gatehouse/client'
const client = createClient({ url: process.argv[2] })
const refused = await client.login({ email: '${ada.email}', password: 'x' }).catch((error) => error)
const user = await client.login({ email: '${ada.email}', password: '${ada.password}' })
console.log(refused instanceof GatehouseError && refused.code, user.email)
`

const typed = `
import { createClient, GatehouseError, type User } from '@gatehouse/client'
import { gatehouse, nextPage, type GatehouseLocals } from '@gatehouse/client/astro'
const client = createClient({ url: 'https://auth.example.org' })
const user: User | undefined = await client.user()
export const email: string | null | undefined = user?.email
export const sub = (locals: GatehouseLocals): string | undefined => locals.user?.sub
export const integrations = [gatehouse({ protect: ['/app'] })]
export const next: string = nextPage(new URL('https://example.org'))
try {
  await client.login({ email: 'a', password: 'b' })
} catch (error) {
  if (error instanceof GatehouseError && error.code === 'rate_limited') console.log(error.retryAfter)
  // @ts-expect-error no error has this code
  if (error instanceof GatehouseError && error.code === 'rate_limitd') throw error
}
// @ts-expect-error a login needs a password
await client.login({ email: 'a' })
`

const common = `
import { createClient, GatehouseError, type User } from '@gatehouse/client'
import { gatehouse } from '@gatehouse/client/astro'
import { createVerifier } from '@gatehouse/verify'
import { bearerOf } from '@gatehouse/verify/protocol'
const client = createClient({ url: 'https://auth.example.org' })
export const user: Promise<User | undefined> = client.user()
export const isLimited = (error: unknown): boolean =>
  error instanceof GatehouseError && error.code === 'rate_limited'
export const all = [gatehouse, createVerifier, bearerOf]
// @ts-expect-error a login needs a password
void client.login({ email: 'a' })
`

t.test('npm installs @gatehouse/client into an empty project, alone', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-client-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const inDir = (command: string, ...args: string[]) => run(command, args, { cwd: dir })
  await writeFile(join(dir, 'package.json'), '{"private":true,"type":"module"}')
  const pack = ['pack', '-w', 'packages/client', '-w', 'packages/verify', '--pack-destination', dir]
  await run('npm', pack, { cwd: root })
  await inDir('npm', 'install', '--omit=dev', './gatehouse-client-0.1.0.tgz')
  const { stdout: tree } = await inDir('npm', 'ls', '--all', '--parseable')
  t.equal(tree.trim().split('\n').length, 2, 'the project and the package')

  const { app, origin } = await listeningApp(t)
  await signUp(app)
  await writeFile(join(dir, 'program.js'), program)
  const { stdout } = await inDir(process.execPath, 'program.js', origin)
  t.equal(stdout.trim(), `invalid_credentials ${ada.email}`)

  // With the verifier, whose types the integration uses.
  await inDir('npm', 'install', './gatehouse-verify-0.1.0.tgz')
  await writeFile(join(dir, 'typed.ts'), typed)
  await writeFile(join(dir, 'common.cts'), common)
  const tsc = join(root, 'node_modules/.bin/tsc')
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022']
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
  for (const lib of ['es2022', 'es2022,dom,dom.iterable']) {
    const files = ['typed.ts', 'common.cts']
    const checked = await inDir(tsc, ...options, ...types, '--lib', lib, ...files).catch(
      (error: unknown) => error as { stdout: string },
    )
    t.equal(checked.stdout, '', lib)
  }
})
