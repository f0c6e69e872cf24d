import type { Clock } from '../../concurrency/clock.js'
import type { Config } from '../../config/load.js'
import { createGitHubProvider } from './github.js'
import { createOpenIdProvider } from './openid.js'
import type { Provider } from './provider.js'

/** The providers that are configured, in the order of their buttons. */
export function createProviders(config: Config, clock: Clock): Provider[] {
  const { GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET } = config
  const { GITHUB_URL, OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_NAME } = config
  const redirectUri = (name: string) => `${config.PUBLIC_URL}/auth/${name}/callback`
  const providers: Provider[] = []
  if (GOOGLE_CLIENT_ID && GOOGLE_CLIENT_SECRET) {
    providers.push(
      createOpenIdProvider({
        name: 'google',
        label: 'Google',
        issuer: 'https://accounts.google.com',
        clientId: GOOGLE_CLIENT_ID,
        clientSecret: GOOGLE_CLIENT_SECRET,
        redirectUri: redirectUri('google'),
        promptAgain: 'select_account', // Google has no `login`
        clock,
      }),
    )
  }
  if (GITHUB_CLIENT_ID && GITHUB_CLIENT_SECRET) {
    providers.push(
      createGitHubProvider({
        url: GITHUB_URL,
        clientId: GITHUB_CLIENT_ID,
        clientSecret: GITHUB_CLIENT_SECRET,
        redirectUri: redirectUri('github'),
      }),
    )
  }
  if (OIDC_ISSUER && OIDC_CLIENT_ID) {
    providers.push(
      createOpenIdProvider({
        name: 'oidc',
        label: OIDC_NAME,
        issuer: OIDC_ISSUER,
        clientId: OIDC_CLIENT_ID,
        clientSecret: OIDC_CLIENT_SECRET,
        redirectUri: redirectUri('oidc'),
        clock,
      }),
    )
  }
  return providers
}
