import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import * as client from 'openid-client'
import { AppError } from '../../errors.js'
import { providerError } from './errors.js'
import { fetchJson } from './fetch.js'
import type { Checks, Profile, Provider } from './provider.js'

type Options = { url: string; clientId: string; clientSecret: string; redirectUri: string }

const User = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  login: Type.String(),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

const Emails = Type.Array(
  Type.Object({ email: Type.String(), primary: Type.Boolean(), verified: Type.Boolean() }),
)

/**
 * GitHub supports OAuth 2.0 without OpenID Connect: it has no discovery and no ID token. Its API identifies
 * the user. Only the primary address is used, and only if GitHub has verified it.
 */
export function createGitHubProvider({
  url,
  clientId,
  clientSecret,
  redirectUri,
}: Options): Provider {
  const { origin } = new URL(url)
  const api = origin === 'https://github.com' ? 'https://api.github.com' : `${origin}/api/v3`
  const configuration = new client.Configuration(
    {
      issuer: origin,
      authorization_endpoint: `${origin}/login/oauth/authorize`,
      token_endpoint: `${origin}/login/oauth/access_token`,
    },
    clientId,
    clientSecret,
    client.ClientSecretPost(clientSecret),
  )
  configuration[client.customFetch] = fetchJson
  if (origin.startsWith('http:')) client.allowInsecureRequests(configuration)

  return {
    name: 'github',
    label: 'GitHub',
    issuer: origin,

    async authorizationUrl({ state, verifier }: Checks, isAgain = false): Promise<URL> {
      return client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: 'read:user user:email',
        state,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(isAgain && { prompt: 'select_account' }), // GitHub has no `login`
      })
    },

    async identify(callback: URL, { state, verifier }: Checks): Promise<Profile> {
      try {
        const { access_token } = await client.authorizationCodeGrant(configuration, callback, {
          expectedState: state,
          pkceCodeVerifier: verifier,
        })
        const user = checked(User, await get('/user', access_token))
        const emails = checked(Emails, await get('/user/emails', access_token))
        const email = emails.find(({ primary, verified }) => primary && verified)?.email
        const subject = String(user.id)
        return { subject, email, email_verified: true, name: user.name ?? user.login }
      } catch (error) {
        return providerError(error)
      }
    },
  }

  async function get(path: string, token: string): Promise<unknown> {
    const headers = {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'user-agent': 'gatehouse',
      'x-github-api-version': '2022-11-28',
    }
    const response = await fetchJson(api + path, { headers })
    if (!response.ok) throw new AppError('provider_refused')
    return response.json()
  }
}

/** Checks a value without converting it. @throws AppError `provider_refused` */
function checked<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> {
  if (!Value.Check(schema, value)) throw new AppError('provider_refused')
  return value
}
