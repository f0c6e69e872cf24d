// Servers on one core and their client on another: CPU time of a server for each request.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

const connections = 32

/** One core for the servers, and another for the client. */
export function pin(pid, core) {
  if (process.platform === 'linux') execFileSync('taskset', ['-a', '-p', '-c', `${core}`, `${pid}`])
}

/** Starts a server that tells its port and, when asked, its CPU time in microseconds. */
export async function startPinned(file, options = {}) {
  const child = fork(file, { stdio: 'ignore', ...options })
  const [told] = await once(child, 'message')
  pin(child.pid, 0)
  const cpu = async () => {
    child.send('cpu')
    const [answer] = await once(child, 'message')
    return answer.cpu
  }
  return { ...told, cpu, stop: () => child.disconnect() }
}

/** So many requests over kept connections, each sent when the one before it was answered with 200. */
export async function ask(port, path, count, headers = {}) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}\r\n`
  let left = count
  // A sleeping client must be woken, and the write of the server would pay for it: more often that of a slow server.
  const stayAwake = () => void (left > 0 && setImmediate(stayAwake))
  stayAwake()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(port, '127.0.0.1')
      const next = () => (left-- > 0 ? socket.write(request) : socket.end())
      socket.on('connect', next)
      socket.on('data', (chunk) => {
        if (!chunk.toString('latin1', 0, 12).startsWith('HTTP/1.1 200'))
          socket.destroy(new Error(`${chunk}`))
        else next()
      })
      await once(socket, 'close')
    }),
  )
}
