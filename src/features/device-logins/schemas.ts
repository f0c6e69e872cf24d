import { Type, type Static } from '@sinclair/typebox'

/** RFC 8628 §3.2. */
export const DeviceAuthorization = Type.Object(
  {
    device_code: Type.String({ description: 'for the token endpoint; the device keeps it' }),
    user_code: Type.String({ description: 'for the user to type, such as `WDJB-MJHT`' }),
    verification_uri: Type.String({ description: 'the page where the user types it' }),
    verification_uri_complete: Type.String({
      description: 'the same with the user code filled in, for a QR code',
    }),
    expires_in: Type.Integer({ description: 'seconds that the codes live' }),
    interval: Type.Integer({ description: 'seconds to wait between two requests for the token' }),
  },
  { title: 'DeviceAuthorization' },
)
export type DeviceAuthorization = Static<typeof DeviceAuthorization>
