import { Type } from '@sinclair/typebox'
import { ClientId, ClientSecret, oneLine, origin } from '../kinds.js'

/** The providers of social logins. */
export const providers = {
  GOOGLE_CLIENT_ID: ClientId('Google'),
  GOOGLE_CLIENT_SECRET: ClientSecret('Google'),
  GITHUB_CLIENT_ID: ClientId('GitHub'),
  GITHUB_CLIENT_SECRET: ClientSecret('GitHub'),
  GITHUB_URL: Type.String({
    default: 'https://github.com',
    pattern: origin,
    form: 'an origin such as https://github.com',
    description: 'GitHub, or a GitHub Enterprise Server',
  }),
  OIDC_ISSUER: Type.Optional(
    Type.String({
      pattern: '^https?://[^?#@ ]+$',
      form: 'an issuer URL such as https://id.example.org',
      description: 'issuer of any OpenID provider, exactly as in its discovery document',
    }),
  ),
  OIDC_CLIENT_ID: ClientId('OIDC_ISSUER'),
  OIDC_CLIENT_SECRET: ClientSecret('OIDC_ISSUER, if it requires one'),
  OIDC_NAME: Type.String({
    default: 'OpenID',
    minLength: 1,
    maxLength: 40,
    pattern: `^${oneLine}$`,
    form: 'one line of 1 to 40 characters',
    description: 'name of that provider on its button',
  }),
}
