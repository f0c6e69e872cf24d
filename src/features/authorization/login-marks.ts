import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../concurrency/clock.js'
import { createSeal } from '../../crypto/seal.js'

const Mark = Type.Object({
  /** The session when the request asked for a login; null without one. */
  session_id: Type.Union([Type.String(), Type.Null()]),
  /** Seconds since 1970. */
  expires_at: Type.Integer(),
})

/** How long a user may take to log in, in seconds. */
const lifetime = 3_600

/** How far the clocks of two instances may differ, with what is lost by rounding, in seconds. */
const tolerance = 5

/** The session of a browser. `age` is how long ago its user logged in, in seconds. */
type Login = { id: string; age: number }

/**
 * Marks that an authorization request asked for a login, for the way to the login page and back. With another
 * session than the one in the mark, and a later login, the user has logged in since. Another browser may get a mark for
 * the same request, so its session alone says nothing. The mark is encrypted, so the user cannot make one, and it
 * counts for one request alone. `secret` is KEYS_SECRET.
 */
export function createLoginMarks(secret: string, clock: Clock) {
  const box = createSeal(secret, 'authorization requests')
  const seconds = () => Math.floor(clock.now() / 1_000)

  return {
    /** @param request the text that identifies the request */
    make(request: string, session_id: string | null): string {
      const mark = { session_id, expires_at: seconds() + lifetime }
      return box.seal(JSON.stringify(mark), request).toString('base64url')
    },

    /** Whether the user has logged in since the mark was made. */
    isMet(mark: string | undefined, request: string, { id, age }: Login): boolean {
      if (mark === undefined) return false
      try {
        const text = box.open(Buffer.from(mark, 'base64url'), request)
        const opened = Value.Parse(Mark, JSON.parse(text))
        const elapsed = seconds() - (opened.expires_at - lifetime)
        return elapsed < lifetime && opened.session_id !== id && age < elapsed + tolerance
      } catch {
        return false
      }
    },
  }
}

export type LoginMarks = ReturnType<typeof createLoginMarks>
