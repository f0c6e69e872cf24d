import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callerOf } from '../../http/caller.js'
import { AppError, invalidField } from '../../errors.js'
import type { Client } from '../clients/repository.js'
import { DeviceAuthorization } from '../device-logins/schemas.js'
import type { DeviceLogins } from '../device-logins/service.js'
import { consumes } from './form.js'
import { DeviceForm, OAuthError } from './schemas.js'

type Options = {
  deviceLogins: DeviceLogins
  findClient: (request: FastifyRequest) => Promise<Client | undefined>
}

/** The endpoint at which a device gets its codes (RFC 8628 §3.1). */
export function addDeviceAuthorization(
  app: FastifyInstance,
  { deviceLogins, findClient }: Options,
): void {
  app.post<{ Body: DeviceForm }>(
    '/oauth/device_authorization',
    {
      schema: {
        summary: 'Codes for a device without a browser (RFC 8628)',
        tags: ['oauth'],
        consumes,
        security: [{ client: [] }, {}],
        body: DeviceForm,
        response: { 200: DeviceAuthorization, '4xx': OAuthError, '5xx': OAuthError },
      },
    },
    async (request) => {
      const client = await findClient(request)
      const { client_id, scope, resource } = request.body
      if (!client && client_id === undefined) throw invalidField('client_id', 'is required')
      if (scope !== undefined) throw new AppError('invalid_scope')
      if (resource !== undefined) throw invalidField('resource', 'is not supported')
      return deviceLogins.begin(client, callerOf(request))
    },
  )
}
