import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { AppError } from '../errors.js'
import { ok, replies } from './replies.js'

type Options = {
  /** Asks the database. @throws AppError `unavailable` */
  ping: () => Promise<void>
  /** Whether this instance knows of every revocation. */
  isReady: () => boolean
}

const Healthy = Type.Object({ status: Type.Literal('success') })

/** `live`: the process answers. `ready`: it can serve, so send it requests. */
export const health = fp<Options>(
  async (app, { ping, isReady }) => {
    const schema = { tags: ['operations'], response: replies({ 200: Healthy }) }
    const success = ok({})

    app.get(
      '/health/live',
      { schema: { summary: 'The process answers', ...schema } },
      () => success,
    )

    app.get(
      '/health/ready',
      { schema: { summary: 'Requests are welcome', ...schema } },
      async () => {
        if (app.isDraining() || !isReady()) throw new AppError('unavailable')
        await ping()
        return success
      },
    )
  },
  { name: 'health', dependencies: ['drain'] },
)
