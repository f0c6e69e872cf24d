import type { AccessClaims } from './claims.js'
import { dead } from './entries.js'

/** find(id) as entries.ts answers it. */
export type Answers = { find: (id: string) => number }

/** Why a genuine token is refused; a refresh heals `token_stale`. */
export type TokenFault = 'invalid_token' | 'token_stale'

export function judge(
  { jti, sid, sub, epoch }: AccessClaims,
  { find }: Answers,
): TokenFault | undefined {
  if (find(sid) === dead || find(jti) === dead) return 'invalid_token'
  const least = find(sub)
  if (least === dead) return 'invalid_token'
  return epoch < least ? 'token_stale' : undefined
}
