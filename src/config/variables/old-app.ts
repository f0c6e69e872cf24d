import { Type } from '@sinclair/typebox'
import { Duration, OneOf, oneLine } from '../kinds.js'

const OldSecret = (description: string) =>
  Type.Optional(Type.String({ description, secret: true, minLength: 24, maxLength: 4_096 }))

const UserField = (description: string, byDefault: string) =>
  Type.Transform(
    Type.String({
      default: byDefault,
      pattern: '^[A-Za-z0-9_.-]{1,64}=(id|username|email|mobile)$',
      form: 'NAME=FIELD with the field id, username, email or mobile, such as sub=id',
      description,
    }),
  )
    .Decode((text) => {
      const [name = '', field = ''] = text.split('=')
      return { name, field: field as 'id' | 'username' | 'email' | 'mobile' }
    })
    .Encode(({ name, field }) => `${name}=${field}`)

/** Tokens and cookies of the app whose users were imported. */
export const oldApp = {
  OLD_APP_UNTIL: Type.Optional(
    Type.String({
      pattern: '^20[0-9]{2}-[0-9]{2}-[0-9]{2}$',
      form: 'a date such as 2027-01-31',
      description:
        'the day, in UTC, from whose start tokens and cookies of the old app of imported users are refused; required to accept any',
    }),
  ),
  OLD_APP_JWT_SECRET: OldSecret(
    'secret of the JWTs of the old app; each logs in once, at `/api/refresh` and `/user/refresh-token`',
  ),
  OLD_APP_JWT_KEYS: Type.Optional(
    Type.String({
      description: 'public keys of the JWTs of the old app instead, as a JSON Web Key Set',
      secret: true,
      minLength: 2,
      maxLength: 65_536,
    }),
  ),
  OLD_APP_JWT_ALGORITHM: OneOf(
    ['HS256', 'HS384', 'HS512', 'RS256', 'ES256', 'EdDSA'],
    'the only algorithm of the JWTs of the old app',
  ),
  OLD_APP_JWT_ISSUER: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: '`iss` that JWTs of the old app must have',
    }),
  ),
  OLD_APP_JWT_TYPE: Type.String({
    default: 'refresh',
    minLength: 1,
    maxLength: 64,
    pattern: `^${oneLine}$`,
    form: 'one line of 1 to 64 characters',
    description:
      'claim `type` that JWTs of the old app must have; with `none` they must not have the claim',
  }),
  OLD_APP_JWT_USER: UserField(
    'the claim that names the user in JWTs of the old app, and the imported field that it is: id, username, email or mobile',
    'sub=id',
  ),
  OLD_APP_COOKIE_SECRET: OldSecret(
    '`SECRET_KEY` of the old Flask app; its cookie `session` logs in once, on pages',
  ),
  OLD_APP_COOKIE_USER: UserField(
    'the key that names the user in the session of the old Flask app, and the imported field that it is',
    'email=email',
  ),
  OLD_APP_COOKIE_LIFETIME: Duration(
    'how long the session cookie of the old Flask app is valid',
    '31d',
  ),
}
