/** The user data that a provider returns at a login. */
export type Profile = {
  /** Never reassigned by the provider (OpenID Connect Core §2, `sub`). */
  subject: string
  email?: string | undefined
  /** Whether the provider has verified that the address belongs to the user. */
  email_verified: boolean
  name?: string | undefined
}

/**
 * The secrets of one login by a provider. `state` must equal the `state` of the redirect, and `nonce` that of
 * the ID token. `verifier` is sent with the code (PKCE).
 */
export type Checks = { state: string; nonce: string; verifier: string }

/** A service that users log in with, such as Google. */
export type Provider = {
  /** Its name in paths, such as `google` in `/auth/google`. */
  name: string
  /** Its name on buttons. */
  label: string
  /** The issuer identifier. A `subject` is unique only together with it. */
  issuer: string
  /**
   * The URL to which the browser is redirected. `isAgain` asks a user who is logged in there, too.
   * @throws AppError `provider_failed`
   */
  authorizationUrl(checks: Checks, isAgain?: boolean): Promise<URL>
  /**
   * Identifies the user by the callback URL, to which the provider redirected the browser.
   * @throws AppError `provider_refused`, `provider_failed`
   */
  identify(callback: URL, checks: Checks): Promise<Profile>
}
