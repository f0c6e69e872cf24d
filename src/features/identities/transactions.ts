import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import * as client from 'openid-client'
import { createSeal } from '../../crypto/seal.js'

/** A login by a provider that has begun: kept by the browser alone, which cannot read it. */
const Transaction = Type.Object(
  {
    id: Type.String(),
    provider: Type.String(),
    state: Type.String(),
    nonce: Type.String(),
    verifier: Type.String(),
    next: Type.Optional(Type.String()),
    /** The session that wants to be connected; without it the login begins one. */
    session_id: Type.Optional(Type.String()),
    /** Seconds since 1970. */
    expires_at: Type.Integer(),
  },
  { additionalProperties: false },
)
export type Transaction = Static<typeof Transaction>

type Start = Pick<Transaction, 'provider' | 'next' | 'session_id'>

/** How long a login may take elsewhere, in seconds (RFC 9700 §4.7). */
export const transactionLifetime = 600

const label = 'login'

/** Begins transactions and reads them again. `secret` is KEYS_SECRET. */
export function createTransactions(secret: string, now: () => Date, newId: () => string) {
  const box = createSeal(secret, 'logins by providers')
  const seconds = () => Math.floor(now().getTime() / 1_000)

  return {
    begin(start: Start): { transaction: Transaction; sealed: string } {
      const transaction = {
        ...start,
        id: newId(),
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
        expires_at: seconds() + transactionLifetime,
      }
      const sealed = box.seal(JSON.stringify(transaction), label).toString('base64url')
      return { transaction, sealed }
    },

    /** Undefined where it is not ours, or too old. */
    open(sealed: string): Transaction | undefined {
      try {
        const text = box.open(Buffer.from(sealed, 'base64url'), label)
        const transaction = Value.Parse(Transaction, JSON.parse(text))
        return seconds() < transaction.expires_at ? transaction : undefined
      } catch {
        return undefined
      }
    },
  }
}

export type Transactions = ReturnType<typeof createTransactions>
