/** `aud` of refresh tokens, which no other service has: for them they are not (RFC 8725 §3.12). */
export const refreshAudienceOf = (issuer: string): string => `${issuer}/refresh`

/** `aud` of the signed list of revocations. It is public, so it must never pass as a token. */
export const revocationsAudienceOf = (issuer: string): string => `${issuer}/revocations`
