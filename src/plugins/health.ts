import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Socket } from 'node:net'
import type { Db } from '../db/pool.js'
import { AppError } from '../errors.js'
import { replies } from './openapi.js'

type Options = {
  db: Db
  /** Whether this instance knows of every revocation. */
  isReady: () => boolean
}

const Healthy = Type.Object({ status: Type.Literal('success') })

/** `live`: the process answers. `ready`: it can serve, so send it requests. */
export const health = fp<Options>(
  async (app, { db, isReady }) => {
    const isClosing = endConnectionsOnClose(app)
    const schema = { tags: ['operations'], response: replies({ 200: Healthy }) }
    const success = { status: 'success' as const }

    app.get(
      '/health/live',
      { schema: { summary: 'The process answers', ...schema } },
      () => success,
    )

    app.get(
      '/health/ready',
      { schema: { summary: 'Requests are welcome', ...schema } },
      async () => {
        if (isClosing() || !isReady()) throw new AppError('unavailable')
        await db.query('select 1')
        return success
      },
    )
  },
  { name: 'health' },
)

/**
 * While the service closes, each reply ends its connection, and connections that have not asked
 * for anything end at once. Fastify alone would wait out their keep-alive.
 */
function endConnectionsOnClose(app: FastifyInstance): () => boolean {
  const sockets = new Set<Socket>()
  let closing = false
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  app.addHook('preClose', async () => {
    closing = true
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })
  return () => closing
}
