import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import * as client from 'openid-client'
import type { Clock } from '../../concurrency/clock.js'
import { createSeal } from '../../crypto/seal.js'

/** A started login by a provider. Only the browser stores it, as an encrypted cookie. */
const Transaction = Type.Object(
  {
    id: Type.String(),
    provider: Type.String(),
    state: Type.String(),
    nonce: Type.String(),
    verifier: Type.String(),
    next: Type.Optional(Type.String()),
    /** The token of an invitation: the first login may create an account with it. */
    invitation: Type.Optional(Type.String()),
    /** The session that connects the provider. Undefined for a login, which opens a session. */
    session_id: Type.Optional(Type.String()),
    /** Seconds since 1970. */
    expires_at: Type.Integer(),
  },
  { additionalProperties: false },
)
export type Transaction = Static<typeof Transaction>

type Start = Pick<Transaction, 'provider' | 'next' | 'invitation' | 'session_id'>

/** How long a user may stay at the provider, in seconds (RFC 9700 §4.7). */
export const transactionLifetime = 600

const label = 'login'

/** Creates and decrypts transactions. `secret` is KEYS_SECRET. */
export function createTransactions(secret: string, clock: Clock, newId: () => string) {
  const box = createSeal(secret, 'logins by providers')
  const seconds = () => Math.floor(clock.now() / 1_000)

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

    /** Returns undefined if this service did not encrypt the text, or the transaction has expired. */
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
