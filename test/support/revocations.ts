import type { RevocationClaims } from '@gatehouse/verify/protocol'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'

export type Heard = {
  status: number
  headers: Headers
  token: string
  claims: RevocationClaims
}

/** What an instance answers about a cursor, with its signature checked by another library. */
export async function ask(origin: string, after?: string, headers = {}): Promise<Heard> {
  const url = new URL('/.well-known/revocations', origin)
  if (after !== undefined) url.searchParams.set('after', after)
  const answer = await fetch(url, { headers })
  const token = await answer.text()
  if (answer.status === 200) {
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', origin))
    await jwtVerify(token, keys, { typ: 'revocations+jwt' })
  }
  const claims = answer.status === 200 ? decodeJwt<RevocationClaims>(token) : {}
  return { status: answer.status, headers: answer.headers, token, claims: claims as never }
}

/** All that is listed, from the origins in turn, and the cursor behind it. */
export async function readAll(origins: string[]) {
  const ids: string[] = []
  let next: string | undefined
  let pages = 0
  for (;;) {
    const { claims, token } = await ask(origins[pages % origins.length]!, next)
    pages += 1
    ids.push(...claims.denials.map(([id]) => id))
    next = claims.next
    if (!claims.full || token.length > 1_000_000) throw new Error('this is no page')
    if (!claims.more) return { ids, next, pages }
  }
}

export const fill = `insert into token_denylist (id, expires_at)
  select gen_random_uuid(), now() + interval '1 hour' from generate_series(1, $1) returning id`
