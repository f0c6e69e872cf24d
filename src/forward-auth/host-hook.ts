import type { preHandlerHookHandler } from 'fastify'
import type { AppHosts } from './hosts.js'
import type { HostTokens } from './host-tokens.js'

/**
 * Returns a function that makes the preHandler of forward-auth from that of any other route. On a host of
 * FORWARD_AUTH_HOSTS the cookie of that host counts, and no other one. An Authorization header decides alone.
 */
export function createHostHook(hosts: AppHosts, tokens: HostTokens) {
  return function wrap(byToken: preHandlerHookHandler): preHandlerHookHandler {
    if (hosts.isEmpty) return byToken

    return function preHandler(request, reply, done) {
      const isBearer = request.headers.authorization !== undefined
      const host = isBearer ? undefined : hosts.find(request)
      if (host === undefined) {
        byToken.call(this, request, reply, done)
        return
      }
      try {
        const pending = tokens.authenticate(host, request, reply)
        const admit = () => done(request.validationError ?? undefined)
        if (pending) pending.then(admit, done)
        else admit()
      } catch (error) {
        done(error as Error)
      }
    }
  }
}
