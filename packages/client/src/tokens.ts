export type Tokens = {
  access_token: string
  /** When the access token expires, in milliseconds since 1970. */
  expires_at: number
  /** Left out where the refresh token is an HttpOnly cookie. */
  refresh_token?: string
  /** When the session expires, in milliseconds since 1970. */
  refresh_expires_at?: number
}

/** What a login and a refresh answer. */
export type TokenReply = {
  access_token: string
  refresh_token?: string
  expires_in: number
  refresh_expires_in?: number
}

export const tokensOf = (reply: TokenReply, now: number): Tokens => ({
  access_token: reply.access_token,
  expires_at: now + reply.expires_in * 1_000,
  ...(reply.refresh_token !== undefined && { refresh_token: reply.refresh_token }),
  ...(reply.refresh_expires_in !== undefined && {
    refresh_expires_at: now + reply.refresh_expires_in * 1_000,
  }),
})
