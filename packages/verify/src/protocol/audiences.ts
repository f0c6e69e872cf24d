/** `aud` of refresh tokens. No other service has this audience, so none accepts a refresh token (RFC 8725 §3.12). */
export const refreshAudienceOf = (issuer: string): string => `${issuer}/refresh`

/** `aud` of the signed list of revocations. The list is public, so it must never pass as a token. */
export const revocationsAudienceOf = (issuer: string): string => `${issuer}/revocations`
