import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { scratch } from './proxy-servers.js'
import { freePort } from './server-process.js'
import { until } from './until.js'

const executable = process.env.FIREFOX ?? '/usr/bin/firefox-esr'

type Answer = { id?: number; type: string; result?: unknown; error?: string; message?: string }

/**
 * Debian's Firefox with a profile of its own, until the test ends: it takes no third-party cookie, and any certificate.
 * It is driven by WebDriver BiDi.
 */
export async function openFirefox(t: Test) {
  const profile = await scratch(t)
  await writeFile(join(profile, 'user.js'), 'user_pref("network.cookie.cookieBehavior", 1);\n')
  const port = await freePort()
  const args = ['--headless', '--no-remote', '--profile', profile]
  const child = spawn(
    executable,
    [...args, '--remote-debugging-port', String(port), 'about:blank'],
    {
      env: { ...process.env, HOME: profile },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until(() => Promise.resolve(output.includes('BiDi listening on')), 'Firefox')
  const send = await connect(t, `ws://127.0.0.1:${port}/session`)
  await send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } })
  const { context } = await send<{ context: string }>('browsingContext.create', { type: 'tab' })

  const evaluate = async (expression: string): Promise<unknown> => {
    const target = { context }
    const asked = { expression, target, awaitPromise: true }
    const { result } = await send<{ result: { value?: unknown } }>('script.evaluate', asked)
    return result.value
  }

  return {
    evaluate,

    /** Opens an address. @returns the address after every redirect */
    async goTo(url: string): Promise<unknown> {
      await send('browsingContext.navigate', { context, url, wait: 'complete' })
      return evaluate('location.href')
    },

    /** Waits until a form or a link has led to an address. */
    untilAt: (url: string) =>
      until(async () => {
        const at = await evaluate('document.readyState + location.href').catch(() => '')
        return at === `complete${url}`
      }, url),
  }
}

/** @returns a function that sends a command and returns its result */
async function connect(t: Test, url: string) {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  t.teardown(() => socket.terminate())
  const waiting = new Map<number, (answer: Answer) => void>()
  let last = 0
  socket.on('message', (data: Buffer) => {
    const answer = JSON.parse(data.toString()) as Answer
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer)
  })

  return async function send<Result>(method: string, params: object): Promise<Result> {
    last += 1
    const id = last
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params }))
    })
    waiting.delete(id)
    if (answer.type === 'error') throw new Error(`${method}: ${answer.error}: ${answer.message}`)
    return answer.result as Result
  }
}
