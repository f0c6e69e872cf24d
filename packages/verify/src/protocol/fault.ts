import type { AccessClaims } from './claims.js'
import type { Denials } from './denials.js'

/** Why a correctly signed, unexpired token is refused. After `token_stale`, a refresh returns a valid token. */
export type TokenFault = 'invalid_token' | 'token_stale'

export function findFault(
  { jti, sid, sub, epoch }: AccessClaims,
  { isDenied, epochOf }: Denials,
): TokenFault | undefined {
  if (isDenied(sid) || isDenied(jti) || isDenied(sub)) return 'invalid_token'
  return epoch < (epochOf(sub) ?? 0) ? 'token_stale' : undefined
}
