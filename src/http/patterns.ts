const rules = new Map<string, string>()

/**
 * A pattern for the schema of a text. `rule` says what the pattern means, as in "must be eight digits": JSON
 * Schema has no keyword for it.
 */
export function matching(pattern: string, rule: string): { pattern: string } {
  rules.set(pattern, rule)
  return { pattern }
}

/** The rule of a pattern of matching(). */
export const ruleOf = (pattern: string): string | undefined => rules.get(pattern)

/** 32 random bytes, or a SHA-256 hash, in base64url without padding. */
export const base64Url256 = matching(
  '^[A-Za-z0-9_-]{43}$',
  'must be 43 letters, digits, "-" or "_"',
)
