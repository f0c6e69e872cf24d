import type { TokenType } from './claims.js'
import type { Algorithm } from './keys.js'

/** What the library checks of every token; areClaims() checks the rest. */
export function verifyOptions(
  typ: TokenType,
  algorithms: Algorithm[],
  { issuer, audience }: { issuer: string; audience: string },
) {
  return {
    algorithms,
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: typ,
    requiredClaims: ['iss', 'aud', 'sub', 'jti', 'sid', 'iat', 'exp'],
    errorCacheTTL: -1,
  }
}
