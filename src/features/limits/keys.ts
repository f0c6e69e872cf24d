import { createHash } from 'node:crypto'

/** A key of bounded length that does not show the address. */
export const keyOf = (text: string) => createHash('sha256').update(text).digest('base64url')
