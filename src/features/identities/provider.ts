/** What a provider says of who signs in. */
export type Profile = {
  /** Never reassigned by the provider (OpenID Connect Core §2, `sub`). */
  subject: string
  email?: string | undefined
  /** Whether the provider says that the address is theirs. */
  email_verified: boolean
  name?: string | undefined
}

/** The secrets of one login: `state` and `nonce` tie the answers to it, `verifier` the code (PKCE). */
export type Checks = { state: string; nonce: string; verifier: string }

/** A service that says who somebody is. */
export type Provider = {
  /** In our paths. */
  name: string
  /** On our buttons. */
  label: string
  /** Under which its subjects are unique. */
  issuer: string
  /** Where the browser is sent. @throws AppError `provider_failed` */
  authorizationUrl(checks: Checks): Promise<URL>
  /**
   * Who comes back, by the URL that they come back to.
   * @throws AppError `provider_refused`, `provider_failed`
   */
  identify(callback: URL, checks: Checks): Promise<Profile>
}
