import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { bearer } from './app.js'
import type { Login } from './cluster.js'
import { keepAlive, total } from './http/keep-alive.js'
import { open, toBytes } from './http/connection.js'
import { startServer } from './server-process.js'

type Load = { connections: number; delay: number }

type Total = ReturnType<typeof total>

export const losses = ({ resets, lost, failures }: Total) => ({ resets, lost, failures })
export const none = { resets: 0, lost: 0, failures: [] }

/** SIGTERM to a server under load: what clients saw of it, and what its health said. */
export async function stopUnderLoad(
  t: Test,
  env: Record<string, string>,
  login: Login,
  { connections, delay }: Load,
) {
  const server = await startServer(t, { ...env, SHUTDOWN_DELAY: `${delay}s` })
  const ask = (pause: () => number) =>
    keepAlive(server.origin, { path: '/api/user', headers: bearer(login.access_token), pause })
  // Each asks while the server drains, unless the machine is too busy.
  const clients = Array.from({ length: connections }, () => ask(() => Math.random() * 600))
  const slow = slowRequest(server.origin)
  await sleep(1_000)

  const start = performance.now()
  server.child.kill('SIGTERM')
  while ((await ready(server.origin)).status === 200) await sleep(5)
  const { status, connection } = await ready(server.origin)
  const newcomers: ReturnType<typeof ask>[] = []
  while (performance.now() - start < (delay * 1_000) / 2) {
    newcomers.push(ask(() => 0))
    await sleep(25)
  }
  const code = await server.exited
  const ms = performance.now() - start
  return {
    code,
    ms,
    ready: { status, connection },
    before: total(await Promise.all(clients)),
    during: total(await Promise.all(newcomers)),
    newcomers: newcomers.length,
    slow: await slow,
  }
}

async function ready(origin: string) {
  const { status, headers, body } = await fetch(`${origin}/health/ready`)
  await body?.cancel()
  return { status, connection: headers.get('connection') }
}

/** A request that takes five seconds to arrive; the status of its answer, 0 without one. */
async function slowRequest(origin: string): Promise<number> {
  const body = JSON.stringify({ email: 'nobody@example.org', password: 'x'.repeat(40) })
  const headers = ['Content-Type: application/json', `Content-Length: ${body.length}`]
  const socket = open(origin)
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ended = new Promise((resolve) => socket.once('end', resolve).once('close', resolve))
  socket.write(toBytes({ method: 'POST', target: '/api/login', headers, basics: ['Host: x'] }))
  for (let at = 0; at < 5; at += 1) {
    const size = Math.ceil(body.length / 5)
    await sleep(1_000)
    socket.write(body.slice(at * size, (at + 1) * size))
  }
  await ended
  socket.destroy()
  return Number(text.slice(9, 12))
}
