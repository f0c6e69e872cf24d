import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

/** Starts a proxy with this configuration; it answers at this port. */
export type ProxyServer = (t: Test, port: number, config: string, isUp?: IsUp) => Promise<void>

/** Whether a server answers at a port. */
type IsUp = (port: number) => Promise<boolean>

const apacheModules = `mpm_event authz_core headers lua proxy proxy_http rewrite setenvif`

const nginx: ProxyServer = async (t, port, config, isUp) => {
  const folder = await scratch(t)
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')
  const file = join(folder, 'nginx.conf')
  await writeFile(file, config.replace('http {\n', `http {\n  ${paths} access_log off;\n`))
  const global = `daemon off; pid ${folder}/pid; error_log stderr warn;`
  await start(t, '/usr/sbin/nginx', ['-p', folder, '-c', file, '-g', global], folder, port, isUp)
}

const caddy: ProxyServer = async (t, port, config, isUp) => {
  const folder = await scratch(t)
  const file = join(folder, 'Caddyfile')
  await writeFile(
    file,
    `{\n admin off\n auto_https disable_redirects\n default_bind 127.0.0.1\n}\n${config}`,
  )
  const args = ['run', '--config', file, '--adapter', 'caddyfile']
  await start(t, '/usr/bin/caddy', args, folder, port, isUp)
}

const haproxy: ProxyServer = async (t, port, config, isUp) => {
  const folder = await scratch(t)
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, config)
  await start(t, '/usr/sbin/haproxy', ['-db', '-f', file], folder, port, isUp)
}

const apache: ProxyServer = async (t, port, config) => {
  const folder = await scratch(t)
  const file = await writeApacheConfig(folder, port, apacheModules, config)
  await start(t, '/usr/sbin/apache2', ['-X', '-f', file], folder, port)
}

/** Writes a configuration with its modules, separated by spaces. Returns the path. */
export async function writeApacheConfig(
  folder: string,
  port: number,
  modules: string,
  config: string,
): Promise<string> {
  const file = join(folder, 'apache.conf')
  const loads = modules
    .split(' ')
    .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  await writeFile(
    file,
    `${loads.join('\n')}
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/log
User www-data
Group www-data
Listen 127.0.0.1:${port}
${config}`,
  )
  return file
}

export const proxyServers = { nginx, caddy, haproxy, apache }

export async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-'))
  await chmod(folder, 0o755) // nginx's workers run as another user
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Whether `/health/live` is answered with one of these. */
export const answersLive =
  (statuses = [200]): IsUp =>
  (port) =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ status }) => statuses.includes(status),
      () => false,
    )

/** Starts a server, and waits until it answers. */
export async function start(
  t: Test,
  path: string,
  args: string[],
  home: string,
  port: number,
  isUp = answersLive(),
) {
  const child = spawn(path, args, {
    env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const exited = Promise.race([once(child, 'exit'), once(child, 'error')])
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const end = Date.now() + 20_000
  while (Date.now() < end && child.exitCode === null && child.pid !== undefined) {
    if (await isUp(port)) return
    await sleep(50)
  }
  throw new Error(`${path} does not serve: ${output}`)
}
