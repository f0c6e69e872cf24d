import { createHash } from 'node:crypto'

/** Hashes a text to a counter key of fixed length, so that no identifier is stored in clear text. */
export const hashKey = (text: string) => createHash('sha256').update(text).digest('base64url')
