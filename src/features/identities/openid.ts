import * as client from 'openid-client'
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
  now: () => Date
}

const discoveryLifetime = 3_600_000

/** Any provider that speaks OpenID Connect; what it needs is found by discovery, hourly. */
export function createOpenIdProvider(options: Options): Provider {
  const { name, label, issuer, clientId, clientSecret, redirectUri, now } = options
  let found: { at: number; configuration: Promise<client.Configuration> } | undefined

  return {
    name,
    label,
    issuer,

    async authorizationUrl({ state, nonce, verifier }: Checks): Promise<URL> {
      try {
        const url = client.buildAuthorizationUrl(await discovered(), {
          redirect_uri: redirectUri,
          scope: 'openid email profile',
          state,
          nonce,
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
        })
        if (url.protocol !== 'https:' && url.protocol !== new URL(issuer).protocol) {
          throw new Error('an authorization endpoint that is no web page')
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
        if (!claims) throw new Error('no ID token')
        if (claims.iat > now().getTime() / 1_000 + 60) throw new Error('an ID token of the future')
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

  /** One discovery at a time; one that failed is tried again by the next login. */
  function discovered(): Promise<client.Configuration> {
    if (found && now().getTime() - found.at < discoveryLifetime) return found.configuration
    const mine = { at: now().getTime(), configuration: discover() }
    found = mine
    mine.configuration.catch(() => {
      if (found === mine) found = undefined
    })
    return mine.configuration
  }

  async function discover(): Promise<client.Configuration> {
    const isPlain = issuer.startsWith('http:') // development and tests: config.ts refuses it in production
    return client.discovery(new URL(issuer), clientId, clientSecret, authentication, {
      [client.customFetch]: fetchJson,
      // TLS would do for what comes straight from the provider; its signature is checked all the same.
      execute: [
        client.enableNonRepudiationChecks,
        ...(isPlain ? [client.allowInsecureRequests] : []),
      ],
    })
  }

  /** As the provider wants it; `client_secret_basic` where it does not say (Discovery §3). */
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
    // Some send the text "true", of whatever they were told: that is no promise.
    email_verified: email_verified === true,
  }
}
