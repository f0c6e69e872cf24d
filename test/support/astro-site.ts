import { spawn, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { until } from './until.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const example = `${repository}examples/astro`

/** Packages to install in the place of those of the example, such as `astro@7 @astrojs/node@11`. */
const { ASTRO_PACKAGES = '' } = process.env

type Change = { file: string; change: (text: string) => string | undefined }

type Options = {
  /** The address of the site for browsers. */
  site: string
  port: string
  env: Record<string, string>
  base?: string
  /** Without a build, by `astro dev`. */
  isDevelopment?: boolean
  /** Files of the copy that are another text, or without one are not there. */
  changes?: Change[]
}

/** A copy of examples/astro, started until the test ends. The packages that it needs are installed once. */
export async function startAstro(t: Test, options: Options) {
  const { site, port, base = '/', isDevelopment = false } = options
  // Inside, so that its packages are found as in the example itself.
  await mkdir(`${example}/.astro`, { recursive: true })
  const folder = await mkdtemp(`${example}/.astro/site-`)
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const name of await readdir(example)) {
    if (['node_modules', 'dist', '.astro'].includes(name) || name.endsWith('.md')) continue
    await cp(join(example, name), join(folder, name), { recursive: true })
  }
  await install(folder)
  for (const { file, change } of options.changes ?? []) {
    const path = join(folder, file)
    const text = change(await readFile(path, 'utf8'))
    await (text === undefined ? rm(path) : writeFile(path, text))
  }

  const bins = [folder, example].map((place) => join(place, 'node_modules/.bin'))
  const env = {
    ...{ PATH: [...bins, process.env.PATH].join(':'), HOME: process.env.HOME },
    ...{ ASTRO_TELEMETRY_DISABLED: '1', SITE: site, BASE: base, ...options.env },
  }
  if (!isDevelopment) run('astro build', folder, env)
  const [command, ...args] = isDevelopment
    ? ['astro', 'dev', '--host', '127.0.0.1', '--port', port]
    : ['node', 'dist/server/entry.mjs']
  const child = spawn(command, args, {
    ...{ cwd: folder, stdio: 'inherit' },
    env: { ...env, HOST: '127.0.0.1', PORT: port },
  })
  t.teardown(() => child.kill())
  const answers = () =>
    fetch(`http://127.0.0.1:${port}${base}`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until(answers, 'the site to start')
}

async function install(folder: string): Promise<void> {
  if (ASTRO_PACKAGES !== '') {
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    await rm(join(folder, 'package-lock.json'))
    const own = ['client', 'verify'].map((name) => `${repository}packages/${name}`)
    run(`npm install --no-audit --no-fund ${ASTRO_PACKAGES} ${own.join(' ')}`, folder, process.env)
    return
  }
  // Tests of other files wait for the first one.
  const installed = '[ -d node_modules/astro ] || npm ci --no-audit --no-fund'
  run(`flock package-lock.json sh -c '${installed}'`, example, process.env)
}

function run(command: string, cwd: string, env: NodeJS.ProcessEnv): void {
  const { status, stdout, stderr } = spawnSync(command, { cwd, env, shell: true })
  if (status !== 0) throw new Error(`${command}: ${String(stdout)}${String(stderr)}`)
}
