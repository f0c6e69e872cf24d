/** What a token or a cookie of the old app says, once its signature is verified. */
export type OldProof = {
  /** What was signed. It identifies the proof: the signature may have more than one form. */
  signed: string
  /** How the old app named the user. */
  user: string
  /** When it was signed, in milliseconds since 1970. */
  signed_at: number
}

/** A name of a user as text: an id may be a number. */
export function toUserName(value: unknown): string | undefined {
  const text = Number.isSafeInteger(value) ? String(value) : value
  return typeof text === 'string' && text !== '' && text.length <= 255 ? text : undefined
}
