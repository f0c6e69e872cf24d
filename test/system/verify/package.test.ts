import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { bearer, listeningApp, logIn, signUp } from '../../support/app.js'
import { until } from '../../support/until.js'
import { issuer } from '../../support/verifier.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))
const source = join(root, 'packages', 'verify')

/** As much of Express as its documentation says of middleware; it is no dependency of ours. */
const express = `
import { createServer } from 'node:http'
export default function express() {
  const layers = []
  return {
    use: (...handlers) => layers.push([undefined, handlers]),
    get: (path, ...handlers) => layers.push([path, handlers]),
    listen: (port) => createServer((request, response) => {
      response.send = (body) => response.end(body)
      const stack = layers.filter(([path]) => !path || path === request.url).flatMap(([, all]) => all)
      const next = () => stack.shift()(request, response, next)
      next()
    }).listen(port),
  }
}
`

const typed = (name: string) => `
import Fastify from 'fastify'
import { createServer } from 'node:http'
import { createVerifier, fastifyToken, requireToken, type Claims } from '${name}'
const verifier = createVerifier({ issuer: 'https://auth.example' })
Fastify().get('/', { preHandler: fastifyToken(verifier, { role: 'admin' }) }, () => 'in')
const guard = requireToken(verifier)
createServer((request, response) => guard(request, response, () => response.end()))
export const claims: Claims = await verifier.verify('x')
export const roles: string[] = claims.roles
`

/** Packs a package as npm would publish it, and puts it into an empty project. */
async function unpack(t: Test, name: string, ...options: string[]) {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-package-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const npm = ['pack', '--ignore-scripts', '--json', '--pack-destination', dir, ...options]
  const { stdout } = await run('npm', npm, { cwd: root, maxBuffer: 10_000_000 })
  const archive = join(dir, /"filename": "([^"]+)"/.exec(stdout)?.[1] ?? '')
  await run('tar', ['-xzf', archive, '-C', dir])
  const home = join(dir, 'node_modules', name)
  await mkdir(dirname(home), { recursive: true })
  await rename(join(dir, 'package'), home)
  return { dir, home, bytes: (await stat(archive)).size }
}

/** Links libraries of this repository into the project. */
async function link(dir: string, names: string[]): Promise<void> {
  for (const name of names) {
    const path = join(dir, 'node_modules', name)
    await mkdir(dirname(path), { recursive: true })
    await symlink(join(root, 'node_modules', name), path)
  }
}

async function typeCheck(dir: string, name: string): Promise<void> {
  await link(dir, ['fastify', '@types', 'undici-types'])
  await writeFile(join(dir, 'typed.mts'), typed(name))
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023']
  const tsc = join(root, 'node_modules', '.bin', 'tsc')
  await run(tsc, [...options, '--types', 'node', '--skipLibCheck', 'typed.mts'], { cwd: dir })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

t.test('@gatehouse/verify: small, with its types, and its README runs as written', async (t) => {
  const { dir, home, bytes } = await unpack(t, '@gatehouse/verify', '-w', 'packages/verify')
  t.ok(bytes < 60_000, `the archive has ${bytes} bytes`)
  const { dependencies, ...manifest } = JSON.parse(
    await readFile(join(home, 'package.json'), 'utf8'),
  ) as Record<string, object>
  t.same(Object.keys(dependencies ?? {}), ['@sinclair/typebox'])
  t.notOk(manifest.peerDependencies ?? manifest.optionalDependencies)
  await link(dir, Object.keys(dependencies ?? {}))
  await t.resolves(typeCheck(dir, '@gatehouse/verify'))

  await mkdir(join(dir, 'node_modules', 'express'))
  await writeFile(join(dir, 'node_modules', 'express', 'index.mjs'), express)
  await writeFile(join(dir, 'node_modules', 'express', 'package.json'), '{"main":"index.mjs"}')
  const { app, origin, sql } = await listeningApp(t)
  const { access_token: token, user } = await signUp(app)
  await sql(`insert into user_roles values ($1, 'admin')`, [user.id])
  const { access_token: admin } = await logIn(app)

  const readme = await readFile(join(home, 'README.md'), 'utf8')
  const programs = readme.matchAll(/^### ([^\n]+)\n\n```js\n(import .+?)```$/gms)
  const names = new Set<string>()
  for (const [, name = '', text = ''] of programs) {
    names.add(name)
    const port = await freePort()
    const program = text
      .replace("{ issuer: 'https://auth.example.com' }", JSON.stringify({ issuer, url: origin }))
      .replace('4000', String(port))
    await writeFile(join(dir, 'program.mjs'), program)
    const server = spawn(process.execPath, ['program.mjs'], { cwd: dir, stdio: 'inherit' })
    const exited = once(server, 'exit')
    const get = async (path: string, token?: string) => {
      const headers = token ? bearer(token) : {}
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
      return `${answer.status} ${answer.ok ? await answer.text() : ''}`.trim()
    }
    await until(
      () =>
        get('/').then(
          () => true,
          () => false,
        ),
      `${name} to listen`,
    )
    t.equal(await get('/', token), `200 ${user.id}`, name)
    t.equal(await get('/'), '401', `${name}: no token`)
    t.equal(await get('/', 'x'), '401', `${name}: no JWT`)
    t.equal(await get('/admin', admin), '200 in', `${name}: the role`)
    t.equal(await get('/admin', token), '403', `${name}: a token without the role`)
    server.kill()
    await exited
  }
  t.same([...names], ['Fastify', 'Express', 'node:http'])
})

t.test('gatehouse/verify is the same, with its types and all that it needs', async (t) => {
  const { dir } = await unpack(t, 'gatehouse')
  const { app, origin } = await listeningApp(t)
  const { access_token, user } = await signUp(app)
  const program = `
import { createVerifier } from 'gatehouse/verify'
const [issuer, url, token] = process.argv.slice(2)
const verifier = createVerifier({ issuer, url })
await verifier.ready
console.log((await verifier.verify(token)).sub)
await verifier.close()
`
  await writeFile(join(dir, 'program.mjs'), program)
  const args = ['program.mjs', issuer, origin, access_token]
  const { stdout, stderr } = await run(process.execPath, args, { cwd: dir })
  t.equal(stdout.trim(), user.id)
  t.equal(stderr, '')
  await t.resolves(typeCheck(dir, 'gatehouse/verify'))
})

t.test('it loads one library, and none that the service alone needs', async (t) => {
  const libraries = new Set<string>()
  const seen = new Set<string>()
  const walk = async (file: string): Promise<void> => {
    if (seen.has(file)) return
    seen.add(file)
    const text = await readFile(file, 'utf8')
    for (const [, name = ''] of text.matchAll(
      /^(?:import|export) (?:(?:type )?\{[^}]*\}|\w+|\*) from '([^']+)'$/gm,
    )) {
      if (name.startsWith('.')) await walk(resolve(dirname(file), name.replace(/\.js$/, '.ts')))
      else if (!name.startsWith('node:')) libraries.add(name)
    }
  }
  await walk(join(source, 'src', 'index.ts'))
  await walk(join(source, 'src', 'protocol', 'index.ts'))
  t.same([...libraries].sort(), ['@sinclair/typebox', '@sinclair/typebox/compiler'])
  t.ok([...seen].every((file) => file.startsWith(source)))
  t.ok(seen.size > 10)
})
