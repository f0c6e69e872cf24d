import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { forTests, keysSecret } from './app.js'

export const entry = fileURLToPath(new URL('../../dist/server.js', import.meta.url))

export type ServerProcess = {
  origin: string
  child: ChildProcess
  /** All that it printed so far. */
  output: () => string
  /** Its exit code, or the signal that ended it. */
  exited: Promise<number | NodeJS.Signals | null>
}

/** The built server as a process of its own, not waited for; it is killed when the test ends. */
export async function spawnServer(
  t: Test,
  env: Record<string, string>,
  stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
  cwd = tmpdir(), // without a .env
): Promise<ServerProcess> {
  const port = env.PORT ?? String(await freePort())
  const child = spawn(process.execPath, [entry], {
    env: {
      PATH: process.env.PATH,
      KEYS_SECRET: keysSecret,
      ...forTests,
      ...(env.NODE_ENV === 'production' && { RATE_LIMIT: 'on' }),
      PORT: port,
      ...env,
    },
    stdio,
    cwd,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const exited = once(child, 'exit').then(
    ([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null,
  )
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { origin: `http://127.0.0.1:${port}`, child, output: () => output, exited }
}

/** The same, ready to serve. */
export async function startServer(t: Test, env: Record<string, string>): Promise<ServerProcess> {
  const server = await spawnServer(t, env)
  await untilReady(server)
  return server
}

/** @throws Error with what the server printed, when it ends instead or takes too long */
export async function untilReady({ origin, child, output }: ServerProcess): Promise<void> {
  const end = Date.now() + 120_000 // a machine may be busy
  while (Date.now() < end && child.exitCode === null && child.signalCode === null) {
    const status = await fetch(`${origin}/health/ready`).then(
      (answer) => answer.status,
      () => 0,
    )
    if (status === 200) return
    await sleep(50)
  }
  throw new Error(`the server is not ready: ${output()}`)
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}

export type Answer<Body = Record<string, unknown>> = {
  status: number
  headers: Headers
  body: Body
}

/** POST of a JSON body. */
export async function post<Body = Record<string, unknown>>(
  url: string,
  payload: object,
  headers: Record<string, string> = {},
): Promise<Answer<Body>> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(payload),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body }
}
