import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../concurrency/clock.js'
import { createSeal } from '../../crypto/seal.js'

/** What a challenge is for. The scope is the session that registers, or the login that waits for a second factor. */
const Purpose = Type.Union([
  Type.Literal('register'),
  Type.Literal('login'),
  Type.Literal('second'),
])
type Purpose = Static<typeof Purpose>

const Content = Type.Object({
  id: Type.String(),
  purpose: Purpose,
  scope: Type.String(),
  /** Seconds since 1970. */
  expires_at: Type.Integer(),
})
type Content = Static<typeof Content>

/** How long an authenticator may take, in seconds. */
export const challengeLifetime = 300

const label = 'challenge'

/**
 * WebAuthn challenges that nobody has to store: each is a sealed text that only this service can make, with 96
 * random bits (WebAuthn §13.4.3). A stranger fills no table. It is used once: see `spend` of the identities.
 */
export function createPasskeyChallenges(
  secret: string,
  clock: Pick<Clock, 'now'>,
  newId: () => string,
) {
  const box = createSeal(secret, 'passkeys')
  const seconds = () => Math.floor(clock.now() / 1_000)

  return {
    make(purpose: Purpose, scope = ''): string {
      const expires_at = seconds() + challengeLifetime
      const content: Content = { id: newId(), purpose, scope, expires_at }
      return box.seal(JSON.stringify(content), label).toString('base64url')
    },

    /** Returns undefined unless this service made the challenge, for this purpose and scope, and it is still valid. */
    open(
      challenge: string,
      purpose: Purpose,
      scope = '',
    ): Pick<Content, 'id' | 'expires_at'> | undefined {
      try {
        const text = box.open(Buffer.from(challenge, 'base64url'), label)
        const content = Value.Parse(Content, JSON.parse(text))
        const isRight = content.purpose === purpose && content.scope === scope
        return isRight && seconds() < content.expires_at ? content : undefined
      } catch {
        return undefined
      }
    },
  }
}

export type PasskeyChallenges = ReturnType<typeof createPasskeyChallenges>
