import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { withDeadline } from '../concurrency/deadline.js'
import { release as version } from '../config/release.js'
import { AppError } from '../errors.js'
import { prepareError } from './errors.js'
import { ErrorReply, ok, replies } from './replies.js'

type Fault =
  'draining' | 'database_unreachable' | 'denylist_stale' | 'clock_skew' | 'no_signing_key'

type Options = {
  /** Queries the database. @throws AppError `unavailable` */
  ping: () => Promise<void>
  /** Why this instance cannot serve requests although the database answers. */
  faultOf: () => Fault | undefined
}

/** How long the database may take, in milliseconds: a load balancer waits for about two seconds. */
const patience = 1_000

const reasons: Record<Fault, string> = {
  draining: 'the instance is stopping',
  database_unreachable: 'the database does not answer',
  denylist_stale: 'revocations have not arrived for two seconds',
  clock_skew: 'the clock differs from that of the database by two seconds or more',
  no_signing_key: 'no signing key is valid now',
}

const Version = Type.String({ description: 'the version of Gatehouse' })
const Healthy = Type.Object({ status: Type.Literal('success'), version: Version })
const NotReady = Type.Object({
  ...ErrorReply.properties,
  version: Version,
  reason: Type.String({
    enum: Object.keys(reasons),
    description: Object.entries(reasons)
      .map(([name, meaning]) => `\`${name}\`: ${meaning}`)
      .join('; '),
  }),
})

/** `live`: the process answers. `ready`: it can serve requests, so a load balancer may send them. */
export const health = fp<Options>(
  async (app, { ping, faultOf }) => {
    const tags = ['operations']
    const success = ok({ version })

    app.get(
      '/health/live',
      { schema: { summary: 'The process answers', tags, response: replies({ 200: Healthy }) } },
      () => success,
    )

    app.get(
      '/health/ready',
      {
        schema: {
          summary: 'The instance can serve requests',
          tags,
          response: replies({ 200: Healthy, 503: NotReady }),
        },
      },
      async (request, reply) => {
        const reason = await findFault()
        return reason === undefined ? success : refuse(request, reply, reason)
      },
    )

    // A load balancer may check by OPTIONS, HAProxy's default, so it answers 503 as GET does.
    app.options('/health/ready', { schema: { hide: true } }, async (request, reply) => {
      const reason = await findFault()
      if (reason !== undefined) return refuse(request, reply, reason)
      return reply.code(204).header('allow', 'GET, HEAD, OPTIONS').send()
    })

    let pinging: Promise<void> | undefined
    /** Checks at the same time share one query: they are public, and each may be sent many times. */
    const reach = () =>
      (pinging ??= withDeadline(ping(), patience).finally(() => (pinging = undefined)))

    /** A database that does not answer makes the denylist stale too, so it is asked first. */
    async function findFault(): Promise<Fault | undefined> {
      if (app.isDraining()) return 'draining'
      try {
        await reach()
      } catch {
        return 'database_unreachable'
      }
      return faultOf()
    }
  },
  { name: 'health', dependencies: ['drain'] },
)

function refuse(request: FastifyRequest, reply: FastifyReply, reason: Fault): FastifyReply {
  const error = new AppError('unavailable', { cause: new Error(reasons[reason]) })
  const { code, message } = prepareError(error, request, reply)
  return reply.send({ status: 'error', code, message, version, reason })
}
