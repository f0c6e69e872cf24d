import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const server = fileURLToPath(new URL('../../dist/server.js', import.meta.url))

/** So many built servers on one database, from `firstPort` on or on free ports. They end with this process. */
export async function startInstances(count, env, firstPort) {
  const instances = []
  for (let nth = 0; nth < count; nth += 1) {
    const port = firstPort ? firstPort + nth : await freePort()
    const child = spawn(process.execPath, [server], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH,
        RATE_LIMIT: 'off',
        LOG_LEVEL: 'warn',
        ...env,
        PORT: String(port),
      },
    })
    process.on('exit', () => child.kill())
    child.once('exit', (code, signal) => {
      console.error(`a server has ended: ${code ?? signal}`)
      process.exit(1)
    })
    await isReady(port)
    instances.push({ port, child })
  }
  return instances
}

async function isReady(port) {
  const ask = () => fetch(`http://127.0.0.1:${port}/health/ready`).then(({ ok }) => ok)
  while (!(await ask().catch(() => false))) await sleep(50)
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  return port
}
