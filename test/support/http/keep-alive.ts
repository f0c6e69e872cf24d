import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

type Connection = {
  answers: number
  /** The status of each answer that is not 200. */
  failures: number[]
  /** Whether the last answer said that the connection closes. */
  told: boolean
  /** The connection ended while a request had no answer. */
  lost: boolean
  reset: boolean
}

type Options = {
  path: string
  headers?: Record<string, string>
  /** How long to wait before the next request, in milliseconds. */
  pause: () => number
}

/** A connection that sends one request after another, as a proxy's do, until the server ends it. */
export function keepAlive(origin: string, options: Options): Promise<Connection> {
  const { path, headers = {}, pause } = options
  const { hostname, port, host } = new URL(origin)
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`)
  const request = [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
  const seen: Connection = { answers: 0, failures: [], told: false, lost: false, reset: false }
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  let isWaiting = false
  let text = ''

  const ask = () => {
    if (!socket.writable || socket.readableEnded) return
    isWaiting = true
    socket.write(request)
  }
  socket.on('connect', ask)
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n') + 4
    const length = Number(/^content-length: (\d+)/im.exec(text)?.[1])
    if (end < 4 || text.length < end + length) return
    const status = Number(text.slice(9, 12))
    seen.answers += 1
    if (status !== 200) seen.failures.push(status)
    seen.told = /^connection: close/im.test(text.slice(0, end))
    text = ''
    isWaiting = false
    if (!seen.told) void sleep(pause()).then(ask)
  })
  return new Promise((resolve) => {
    socket.on('error', () => (seen.reset = true))
    socket.on('close', () => {
      seen.lost = isWaiting
      resolve(seen)
    })
  })
}

export const total = (connections: Connection[]) => ({
  resets: connections.filter(({ reset }) => reset).length,
  lost: connections.filter(({ lost }) => lost).length,
  failures: connections.flatMap(({ failures }) => failures),
  told: connections.filter(({ told }) => told).length,
})
