import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { listeningApp, signUp } from '../support/app.js'
import { issuer } from '../support/verifier.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

const program = `
import { createVerifier } from 'gatehouse/verify'
const [issuer, url, token] = process.argv.slice(2)
const verifier = createVerifier({ issuer, url })
await verifier.ready
console.log((await verifier.verify(token)).sub)
await verifier.close()
`

const typed = `
import Fastify from 'fastify'
import { createServer } from 'node:http'
import { createVerifier, fastifyToken, requireToken, type Claims } from 'gatehouse/verify'
const verifier = createVerifier({ issuer: 'https://auth.example' })
Fastify().get('/', { preHandler: fastifyToken(verifier, { role: 'admin' }) }, () => 'in')
const guard = requireToken(verifier)
createServer((request, response) => guard(request, response, () => response.end()))
export const claims: Claims = await verifier.verify('x')
export const roles: string[] = claims.roles
`

t.test(
  'another package gets it by its name, with its types, and nothing but what it needs',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'gatehouse-package-'))
    t.teardown(() => rm(dir, { recursive: true }))
    const npm = ['pack', '--ignore-scripts', '--json', '--pack-destination', dir]
    await run('npm', npm, { cwd: root })
    const [archive] = await readdir(dir)
    await run('tar', ['-xzf', join(dir, archive ?? ''), '-C', dir])
    const modules = join(dir, 'node_modules')
    await mkdir(join(modules, '@sinclair'), { recursive: true })
    await rename(join(dir, 'package'), join(modules, 'gatehouse'))
    for (const name of ['fast-jwt', '@sinclair/typebox']) {
      await symlink(join(root, 'node_modules', name), join(modules, name))
    }

    const { app, origin } = await listeningApp(t)
    const { access_token, user } = await signUp(app)
    await writeFile(join(dir, 'program.mjs'), program)
    const args = ['program.mjs', issuer, origin, access_token]
    const { stdout, stderr } = await run(process.execPath, args, { cwd: dir })
    t.equal(stdout.trim(), user.id)
    t.equal(stderr, '')

    for (const name of ['fastify', '@types', 'undici-types']) {
      await symlink(join(root, 'node_modules', name), join(modules, name))
    }
    await writeFile(join(dir, 'typed.mts'), typed)
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023']
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    await t.resolves(
      run(tsc, [...options, '--types', 'node', '--skipLibCheck', 'typed.mts'], { cwd: dir }),
    )
  },
)

t.test('it loads two libraries, and none that the service alone needs', async (t) => {
  const libraries = new Set<string>()
  const seen = new Set<string>()
  const walk = async (file: string): Promise<void> => {
    if (seen.has(file)) return
    seen.add(file)
    const text = await readFile(file, 'utf8')
    for (const [, name = ''] of text.matchAll(
      /^(?:import|export) (?:\{[^}]*\}|\w+) from '([^']+)'$/gm,
    )) {
      if (name.startsWith('.')) await walk(resolve(dirname(file), name.replace(/\.js$/, '.ts')))
      else if (!name.startsWith('node:')) libraries.add(name)
    }
  }
  await walk(join(root, 'src/verify/index.ts'))
  t.same([...libraries].sort(), ['@sinclair/typebox', '@sinclair/typebox/compiler', 'fast-jwt'])
  t.ok(seen.size > 10)
})
