import { createHmac, timingSafeEqual } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { parseObject } from '@gatehouse/verify/protocol'
import { toUserName, type OldProof } from './proof.js'

export type FlaskCookieOptions = {
  secret: string
  /** The key of the session that names the user. */
  key: string
  /** How long a cookie is valid, in seconds. */
  lifetime: number
}

const maxLength = 8_192
const maxContent = 65_536
/** Clocks of the old app may be ahead by this, in milliseconds. */
const leeway = 60_000

/**
 * Reads the session cookie of a Flask app: `[.]PAYLOAD.TIMESTAMP.SIGNATURE`, as itsdangerous signs it with the salt
 * `cookie-session` and SHA-1. A dot at its start marks a compressed payload. Returns undefined for every other text.
 */
export function createFlaskCookies({ secret, key, lifetime }: FlaskCookieOptions) {
  const signingKey = createHmac('sha1', secret).update('cookie-session').digest()

  return function read(cookie: string, now: number): OldProof | undefined {
    if (cookie.length > maxLength) return undefined
    const [, signed = '', payload = '', time = '', signature = ''] =
      /^((\.?[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{1,11}))\.([A-Za-z0-9_-]{27})$/.exec(cookie) ?? []
    const expected = createHmac('sha1', signingKey).update(signed).digest('base64url')
    const isSigned =
      signature.length === expected.length &&
      timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
    if (!isSigned) return undefined
    const signed_at = toTime(time)
    const user = toUserName(contentOf(payload)?.[key])
    const isAlive = signed_at <= now + leeway && now < signed_at + lifetime * 1_000
    return user === undefined || !isAlive ? undefined : { signed, user, signed_at }
  }
}

/** The seconds since 1970 as a big-endian number. */
const toTime = (text: string) =>
  Number(`0x0${Buffer.from(text, 'base64url').toString('hex')}`) * 1_000

function contentOf(payload: string): Record<string, unknown> | undefined {
  const bytes = Buffer.from(payload.replace('.', ''), 'base64url')
  if (!payload.startsWith('.')) return parseObject(bytes)
  try {
    return parseObject(inflateSync(bytes, { maxOutputLength: maxContent }))
  } catch {
    return undefined
  }
}
