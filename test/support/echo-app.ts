import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** What the app behind a proxy was asked. */
export type Seen = {
  method: string
  url: string
  headers: IncomingHttpHeaders
  /** As an app sees them that takes every sign in a name for an underscore, such as one behind WSGI. */
  environment: Record<string, string>
  body: string
}

/** An app that answers what it was asked, and echoes what comes over a WebSocket. */
export async function echoApp(t: Test) {
  const seen: Seen[] = []
  const app = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const { method = '', url = '', headers, rawHeaders } = request
      const body = Buffer.concat(chunks).toString()
      const asked = { method, url, headers, environment: environmentOf(rawHeaders), body }
      seen.push(asked)
      const isPage = headers.accept?.includes('text/html')
      response.setHeader('content-type', isPage ? 'text/html' : 'application/json')
      response.end(isPage ? page(headers['remote-name'], url) : JSON.stringify(asked))
    })()
  })
  app.on('upgrade', ({ method = '', url = '', headers, rawHeaders }, socket) => {
    seen.push({ method, url, headers, environment: environmentOf(rawHeaders), body: '' })
    const accepted = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64') // RFC 6455 §4.2.2; HAProxy checks it
    const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accepted}`]
    socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'))
    socket.on('error', () => undefined).pipe(socket)
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.teardown(() => {
    app.closeAllConnections()
    app.close()
  })
  return { seen, port: (app.address() as AddressInfo).port }
}

const page = (name: unknown, url: string) =>
  `<!doctype html><title>App</title><h1>${String(name)}</h1><p>${url.replaceAll('&', '&amp;')}</p>`

function environmentOf(rawHeaders: string[]): Record<string, string> {
  const environment: Record<string, string> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = `HTTP_${(rawHeaders[at] ?? '').toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
    const before = environment[name]
    environment[name] = (before === undefined ? '' : `${before},`) + (rawHeaders[at + 1] ?? '')
  }
  return environment
}

/** Whom the app takes the client for. */
export const identity = ({ environment }: Seen) => ({
  user: environment.HTTP_REMOTE_USER,
  email: environment.HTTP_REMOTE_EMAIL,
  name: environment.HTTP_REMOTE_NAME,
  groups: environment.HTTP_REMOTE_GROUPS,
})

/** A handshake in these lines; what the other side sends back is read. */
export async function openWebSocket(origin: string, target: string, lines: string[]) {
  const { host, hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port) })
  const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
  const request = [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...lines, ...key, '', '']
  socket.write(request.join('\r\n'))
  const heard = async () => String((await once(socket, 'data'))[0])
  let head = ''
  while (!head.includes('\r\n\r\n')) head += await heard()
  const echo = async (text: string) => {
    socket.write(text)
    const answer = await heard()
    socket.destroy()
    return answer
  }
  return { head, echo }
}
