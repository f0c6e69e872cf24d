import fp from 'fastify-plugin'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server, type Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

declare module 'fastify' {
  interface FastifyInstance {
    /** From now on each answer closes its connection, and `/health/ready` says 503. */
    drain: () => void
    isDraining: () => boolean
  }
}

// All in milliseconds. What is still arriving must not hold the process until it is killed.
const headersTimeout = 3_000
const requestTimeout = 5_500
const backlogTimeout = 2_000
const pollEvery = 25
const linger = 1_000

/**
 * Ends connections without a reset. Node's own close() destroys each connection that has no request
 * *parsed*: the kernel answers bytes that wait in its buffer, or are still on their way, with a reset.
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

    // Requests that were in progress when draining began; all later ones go through receive().
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
      // Not http's close(), which also destroys connections.
      Server.prototype.close.call(server)
      let idle = new Set<Socket>()
      while (sockets.size > 0) {
        const before = idle
        idle = new Set(idleSockets())
        // Twice in a row: a connection that was just accepted gets its turn.
        for (const socket of idle) if (before.has(socket)) end(socket)
        await sleep(pollEvery)
      }
    })

    /** The kernel resets what waits in the backlog of a listener that closes; libuv accepts one a turn. */
    async function emptyBacklog(): Promise<void> {
      const end = performance.now() + backlogTimeout
      for (let before = -1; before < accepted && performance.now() < end;) {
        before = accepted
        await turn()
        await turn()
      }
    }

    /**
     * The last of the requests that came together closes the connection; what comes after that
     * answer is not processed (RFC 9112 §9.6).
     */
    function receive({ socket }: IncomingMessage, response: ServerResponse): boolean {
      const before = latest.get(socket)
      if (ended.has(socket) || before?.headersSent) return false
      before?.removeHeader('connection')
      latest.set(socket, response.setHeader('connection', 'close'))
      return true
    }

    /** Only Node knows which connections are idle, and it tells by destroying them. */
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

    /** Says goodbye and goes on reading, so that a request that crosses it meets no reset. */
    function end(socket: Socket): void {
      if (ended.has(socket)) return
      ended.add(socket)
      socket.end()
      setTimeout(() => socket.destroy(), linger).unref()
    }
  },
  { name: 'drain' },
)
