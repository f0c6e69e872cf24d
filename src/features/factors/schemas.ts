import { Type, type Static } from '@sinclair/typebox'
import { Id } from '../../http/replies.js'

export const Code = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'six digits of the authenticator app, or a recovery code',
})

export const Enrolment = Type.Object(
  {
    key: Type.String({ description: 'for an app that cannot read the QR code' }),
    uri: Type.String({ description: '`otpauth:` URI, the content of the QR code' }),
    qr: Type.String({ description: 'the QR code as SVG' }),
  },
  { title: 'Enrolment' },
)
export type Enrolment = Static<typeof Enrolment>

export const EnrolmentReply = Type.Object(
  {
    status: Type.Literal('success'),
    message: Type.String(),
    ...Enrolment.properties,
  },
  { title: 'EnrolmentReply' },
)

export const recoveryCodes = Type.Array(Type.String(), {
  description: 'shown once; each works once in the place of a code',
})

export const RecoveryCodesReply = Type.Object(
  { status: Type.Literal('success'), message: Type.String(), recovery_codes: recoveryCodes },
  { title: 'RecoveryCodesReply' },
)

export const ConfirmBody = Type.Object(
  { code: Code },
  { title: 'ConfirmBody', additionalProperties: false },
)

export const TrustedDevice = Type.Object(
  {
    id: Id(),
    user_agent: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    created_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time' }),
  },
  { title: 'TrustedDevice' },
)
export type TrustedDevice = Static<typeof TrustedDevice>

export const Factors = Type.Object(
  {
    totp: Type.Boolean({ description: 'an authenticator app is the second factor' }),
    confirmed_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
    recovery_codes: Type.Integer({ description: 'how many are left' }),
    required: Type.Boolean({ description: 'the service requires a second factor of this user' }),
    trusted_devices: Type.Array(TrustedDevice),
  },
  { title: 'Factors' },
)
export type Factors = Static<typeof Factors>

export const FactorsReply = Type.Object(
  { status: Type.Literal('success'), ...Factors.properties },
  { title: 'FactorsReply' },
)

export const IdParams = Type.Object({ id: Id() })
