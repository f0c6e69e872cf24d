import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../concurrency/clock.js'
import { createSeal } from '../crypto/seal.js'

/** A started login on the host of an app. Only the `state` of its authorization request stores it, encrypted. */
const LoginState = Type.Object({
  /** The code verifier (RFC 7636 §4.1). */
  verifier: Type.String(),
  /** The mark of the browser, which is in a cookie of the host. A state counts in that browser alone. */
  browser: Type.String(),
  /** The path of the host that the user asked for. */
  next: Type.String(),
  /** Whether the login must have a second factor. */
  needsFactor: Type.Boolean(),
  /** Seconds since 1970. */
  expires_at: Type.Integer(),
})

type LoginState = Static<typeof LoginState>

/** How long a user may take to log in, in seconds. */
export const loginLifetime = 3_600

/** Encrypts and decrypts started logins. `secret` is KEYS_SECRET. A state is for one host. */
export function createLoginStates(secret: string, clock: Clock) {
  const box = createSeal(secret, 'logins on hosts of apps')
  const seconds = () => Math.floor(clock.now() / 1_000)

  return {
    make(host: string, login: Omit<LoginState, 'expires_at'>): string {
      const state = { ...login, expires_at: seconds() + loginLifetime }
      return box.seal(JSON.stringify(state), host).toString('base64url')
    },

    /** Returns undefined if this service has not made the state for this host. */
    open(host: string, state: string): (LoginState & { isExpired: boolean }) | undefined {
      try {
        const text = box.open(Buffer.from(state, 'base64url'), host)
        const login = Value.Parse(LoginState, JSON.parse(text))
        return { ...login, isExpired: login.expires_at <= seconds() }
      } catch {
        return undefined
      }
    },
  }
}

export type LoginStates = ReturnType<typeof createLoginStates>
