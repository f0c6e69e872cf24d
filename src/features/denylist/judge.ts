import { AppError } from '../../errors.js'
import type { AccessClaims } from '../tokens/claims.js'
import { dead } from './entries.js'
import type { Answers } from './lookup.js'

/** @throws AppError `invalid_token`, `token_stale` when a refresh heals it */
export function judge({ jti, sid, sub, epoch }: AccessClaims, { find }: Answers): void {
  if (find(sid) === dead || find(jti) === dead) throw new AppError('invalid_token')
  const least = find(sub)
  if (least === dead) throw new AppError('invalid_token')
  if (epoch < least) throw new AppError('token_stale')
}
