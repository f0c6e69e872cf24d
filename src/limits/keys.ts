import { createHash } from 'node:crypto'

/** A key of bounded length that shows nobody's address. */
export const keyOf = (text: string) => createHash('sha256').update(text).digest('base64url')
