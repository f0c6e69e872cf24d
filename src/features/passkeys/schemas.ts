import { Type, type Static } from '@sinclair/typebox'
import { matching } from '../../http/patterns.js'
import { Id } from '../../http/replies.js'
import { oneLine } from '../users/schemas.js'

const Base64url = (maxLength: number) =>
  Type.String({ ...matching('^[A-Za-z0-9_-]+$', 'must be base64url'), minLength: 1, maxLength })

// A browser may send further members (WebAuthn §5.1, toJSON): none is read.
const open = { additionalProperties: true }
/** At most 1,023 bytes (WebAuthn §4). */
const CredentialId = Base64url(1_364)
const clientDataJSON = Base64url(4_096)
const ofCredential = {
  id: CredentialId,
  rawId: CredentialId,
  type: Type.Literal('public-key'),
}

/** A passkey that a browser has made: `RegistrationResponseJSON` of WebAuthn Level 3. */
export const NewCredential = Type.Object(
  {
    ...ofCredential,
    response: Type.Object(
      {
        clientDataJSON,
        attestationObject: Base64url(8_192),
        transports: Type.Optional(
          Type.Array(
            Type.String({ maxLength: 32, ...matching('^[a-z-]+$', 'must be a-z and "-"') }),
            { maxItems: 10 },
          ),
        ),
      },
      open,
    ),
    clientExtensionResults: Type.Optional(
      Type.Object(
        {
          credProps: Type.Optional(Type.Object({ rk: Type.Optional(Type.Boolean()) }, open)),
        },
        open,
      ),
    ),
  },
  { title: 'NewCredential', ...open },
)
export type NewCredential = Static<typeof NewCredential>

/** The answer of a passkey: `AuthenticationResponseJSON` of WebAuthn Level 3. */
export const Assertion = Type.Object(
  {
    ...ofCredential,
    response: Type.Object(
      {
        clientDataJSON,
        authenticatorData: Base64url(2_048),
        signature: Base64url(2_048),
        userHandle: Type.Optional(
          Type.Unsafe<string | null>({
            type: ['string', 'null'],
            maxLength: 128,
          }),
        ),
      },
      open,
    ),
  },
  { title: 'Assertion', ...open },
)
export type Assertion = Static<typeof Assertion>

const PasskeyName = Type.String({ minLength: 1, maxLength: 100, ...oneLine })

export const Passkey = Type.Object(
  {
    id: Id(),
    name: Type.String(),
    discoverable: Type.Boolean({ description: 'logs in without a username' }),
    backed_up: Type.Boolean({ description: 'its provider keeps a copy, such as on other devices' }),
    created_at: Type.String({ format: 'date-time' }),
    last_used_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
  },
  { title: 'Passkey' },
)
export type Passkey = Static<typeof Passkey>

export const PasskeysReply = Type.Object(
  { status: Type.Literal('success'), passkeys: Type.Array(Passkey) },
  { title: 'PasskeysReply' },
)

export const PasskeyReply = Type.Object(
  { status: Type.Literal('success'), message: Type.String(), passkey: Passkey },
  { title: 'PasskeyReply' },
)

export const PasskeyBody = Type.Object(
  { credential: NewCredential, name: Type.Optional(PasskeyName) },
  { title: 'PasskeyBody', additionalProperties: false },
)
export type PasskeyBody = Static<typeof PasskeyBody>

export const PasskeyNameBody = Type.Object(
  { name: PasskeyName },
  { title: 'PasskeyNameBody', additionalProperties: false },
)

export const PasskeyParams = Type.Object({ id: Id() })

const Descriptor = Type.Object(
  {
    type: Type.Literal('public-key'),
    id: Type.String(),
    transports: Type.Array(Type.String()),
  },
  { title: 'PasskeyDescriptor' },
)

const UserVerification = Type.Unsafe<'required' | 'preferred'>(
  Type.String({ enum: ['required', 'preferred'] }),
)
const shared = {
  challenge: Type.String({ description: 'valid for five minutes, once' }),
  timeout: Type.Integer({ description: 'in milliseconds' }),
}

/** `PublicKeyCredentialCreationOptionsJSON` of WebAuthn Level 3. */
export const CreationOptions = Type.Object(
  {
    ...shared,
    rp: Type.Object({ id: Type.String(), name: Type.String() }),
    user: Type.Object({ id: Type.String(), name: Type.String(), displayName: Type.String() }),
    pubKeyCredParams: Type.Array(
      Type.Object({ type: Type.Literal('public-key'), alg: Type.Integer() }),
    ),
    excludeCredentials: Type.Array(Descriptor),
    authenticatorSelection: Type.Object({
      residentKey: Type.Literal('preferred'),
      userVerification: UserVerification,
    }),
    attestation: Type.Literal('none'),
    extensions: Type.Object({ credProps: Type.Boolean() }),
  },
  { title: 'PasskeyCreationOptions' },
)
export type CreationOptions = Static<typeof CreationOptions>

/** `PublicKeyCredentialRequestOptionsJSON` of WebAuthn Level 3. */
export const RequestOptions = Type.Object(
  {
    ...shared,
    rpId: Type.String(),
    allowCredentials: Type.Array(Descriptor),
    userVerification: UserVerification,
  },
  { title: 'PasskeyRequestOptions' },
)
export type RequestOptions = Static<typeof RequestOptions>

export const RelatedOrigins = Type.Object(
  { origins: Type.Array(Type.String()) },
  { title: 'RelatedOrigins' },
)

export const CreationOptionsReply = Type.Object(
  { status: Type.Literal('success'), options: CreationOptions },
  { title: 'PasskeyCreationOptionsReply' },
)

export const RequestOptionsReply = Type.Object(
  { status: Type.Literal('success'), options: RequestOptions },
  { title: 'PasskeyRequestOptionsReply' },
)

const Challenge = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'from the error `second_factor_required`, to give the passkey after a password',
  }),
)

export const PasskeyOptionsBody = Type.Union([
  Type.Object(
    { challenge: Challenge },
    { title: 'PasskeyOptionsBody', additionalProperties: false },
  ),
  Type.Null(),
])

export const PasskeyLoginBody = Type.Object(
  { credential: Assertion, challenge: Challenge },
  { title: 'PasskeyLoginBody', additionalProperties: false },
)
export type PasskeyLoginBody = Static<typeof PasskeyLoginBody>
