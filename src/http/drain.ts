import fp from 'fastify-plugin'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

declare module 'fastify' {
  interface FastifyInstance {
    /** From now on each reply closes its connection, and `/health/ready` answers 503. */
    drain: () => void
    isDraining: () => boolean
  }
}

// All in milliseconds. The first two limit requests that are still arriving: the process must end before
// its supervisor kills it.
const headersTimeout = 3_000
const requestTimeout = 5_500
const backlogTimeout = 2_000
const pollEvery = 25
const linger = 1_000

/**
 * Closes connections without a TCP reset. Node's own close() destroys each connection without a parsed
 * request. If bytes of a request are in the kernel's buffer or on the network, the client gets a reset.
 */
export const drain = fp(
  async (app) => {
    const { server } = app
    const sockets = new Set<Socket>()
    const latest = new WeakMap<Socket, ServerResponse>()
    const ended = new WeakSet<Socket>()
    let accepted = 0
    let isDraining = false

    server.on('connection', (socket: Socket) => {
      accepted += 1
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })

    // For requests that were in progress when draining began. Later requests go through receive().
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (isDraining && !latest.has(request.raw.socket)) reply.header('connection', 'close')
      done()
    })

    app.decorate('isDraining', () => isDraining)
    app.decorate('drain', () => {
      if (isDraining) return
      isDraining = true
      const listeners = server.listeners('request') as ((...args: unknown[]) => void)[]
      server.removeAllListeners('request')
      server.on('request', (request, response) => {
        if (!receive(request, response)) return
        for (const listener of listeners) listener.call(server, request, response)
      })
    })

    app.addHook('preClose', async () => {
      app.drain()
      if (!server.listening) return
      server.headersTimeout = headersTimeout
      server.requestTimeout = requestTimeout
      await emptyBacklog()
      // net.Server's close() only stops listening; http.Server's close() also destroys connections.
      Server.prototype.close.call(server)
      let idle = new Set<Socket>()
      while (sockets.size > 0) {
        const before = idle
        idle = new Set(idleSockets())
        // End a connection only if it is idle in two polls: a new one may be about to send a request.
        for (const socket of idle) if (before.has(socket)) end(socket)
        await sleep(pollEvery)
      }
    })

    /**
     * Accepts every connection in the listen backlog, because the kernel resets them when the listener
     * closes. libuv accepts one connection for each turn of the event loop.
     */
    async function emptyBacklog(): Promise<void> {
      const end = performance.now() + backlogTimeout
      for (let before = -1; before < accepted && performance.now() < end;) {
        before = accepted
        await turn()
        await turn()
      }
    }

    /**
     * Lets the reply to the last pipelined request close the connection. Returns false for a request
     * that arrives after that reply: it must not be processed (RFC 9112 §9.6).
     */
    function receive({ socket }: IncomingMessage, response: ServerResponse): boolean {
      const before = latest.get(socket)
      if (ended.has(socket) || before?.headersSent) return false
      before?.removeHeader('connection')
      latest.set(socket, response.setHeader('connection', 'close'))
      return true
    }

    /** Node has no list of idle connections; it only destroys them. So destroy() is replaced meanwhile. */
    function idleSockets(): Socket[] {
      const idle: Socket[] = []
      for (const socket of sockets) {
        socket.destroy = () => {
          idle.push(socket)
          return socket
        }
      }
      server.closeIdleConnections()
      for (const socket of sockets) delete (socket as Partial<Socket>).destroy
      return idle
    }

    /** Sends FIN and keeps reading for a while, so that a request on the network gets no reset. */
    function end(socket: Socket): void {
      if (ended.has(socket)) return
      ended.add(socket)
      socket.end()
      setTimeout(() => socket.destroy(), linger).unref()
    }
  },
  { name: 'drain' },
)
