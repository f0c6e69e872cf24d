import * as client from 'openid-client'
import type { Clock } from '../../concurrency/clock.js'
import { providerError } from './errors.js'
import { fetchJson } from './fetch.js'
import type { Checks, Profile, Provider } from './provider.js'

type Options = {
  name: string
  label: string
  issuer: string
  clientId: string
  clientSecret?: string | undefined
  redirectUri: string
  /** The value of `prompt` that asks a user who is logged in there. */
  promptAgain?: string
  clock: Clock
}

const discoveryLifetime = 3_600_000

/** Any provider that supports OpenID Connect. Discovery finds its endpoints, and runs again after an hour. */
export function createOpenIdProvider(options: Options): Provider {
  const { name, label, issuer, clientId, clientSecret, redirectUri, clock } = options
  const { promptAgain = 'login' } = options
  let found: { at: number; configuration: Promise<client.Configuration> } | undefined

  return {
    name,
    label,
    issuer,

    async authorizationUrl({ state, nonce, verifier }: Checks, isAgain = false): Promise<URL> {
      try {
        const url = client.buildAuthorizationUrl(await discovered(), {
          redirect_uri: redirectUri,
          scope: 'openid email profile',
          state,
          nonce,
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          ...(isAgain && { prompt: promptAgain }),
        })
        if (url.protocol !== 'https:' && url.protocol !== new URL(issuer).protocol) {
          throw new Error('the authorization endpoint must be an https URL')
        }
        return url
      } catch (error) {
        return providerError(error)
      }
    },

    async identify(callback: URL, { state, nonce, verifier }: Checks): Promise<Profile> {
      try {
        const configuration = await discovered()
        const tokens = await client.authorizationCodeGrant(configuration, callback, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        })
        const claims = tokens.claims()
        if (!claims) throw new Error('the answer has no ID token')
        if (claims.iat > clock.now() / 1_000 + 60)
          throw new Error('the ID token was issued in the future')
        if (claims.email !== undefined || !configuration.serverMetadata().userinfo_endpoint) {
          return toProfile(claims)
        }
        const { access_token } = tokens
        return toProfile(await client.fetchUserInfo(configuration, access_token, claims.sub))
      } catch (error) {
        return providerError(error)
      }
    },
  }

  /** Logins share one discovery. After a failed discovery, the next login starts a new one. */
  function discovered(): Promise<client.Configuration> {
    if (found && clock.now() - found.at < discoveryLifetime) return found.configuration
    const current = { at: clock.now(), configuration: discover() }
    found = current
    current.configuration.catch(() => {
      if (found === current) found = undefined
    })
    return current.configuration
  }

  async function discover(): Promise<client.Configuration> {
    const isPlain = issuer.startsWith('http:') // for development: src/config/rules.ts refuses it in production
    return client.discovery(new URL(issuer), clientId, clientSecret, authentication, {
      [client.customFetch]: fetchJson,
      // OpenID Connect Core §3.1.3.7 lets TLS replace the signature check of the ID token. We check it anyway.
      execute: [
        client.enableNonRepudiationChecks,
        ...(isPlain ? [client.allowInsecureRequests] : []),
      ],
    })
  }

  /** The client authentication that the provider supports; `client_secret_basic` by default (Discovery §3). */
  function authentication(...[server, ...rest]: Parameters<client.ClientAuth>): void {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const inHeader = methods.includes('client_secret_basic')
    if (!clientSecret) client.None()(server, ...rest)
    else if (inHeader) client.ClientSecretBasic(clientSecret)(server, ...rest)
    else client.ClientSecretPost(clientSecret)(server, ...rest)
  }
}

function toProfile({ sub, email, email_verified, name }: Record<string, unknown>): Profile {
  return {
    subject: String(sub),
    ...(typeof email === 'string' && { email }),
    ...(typeof name === 'string' && { name }),
    // Some providers send the string "true" for addresses that they have not verified. Only a boolean counts.
    email_verified: email_verified === true,
  }
}
