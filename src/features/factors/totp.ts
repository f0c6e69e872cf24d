import { Secret, TOTP } from 'otpauth'

/** What every authenticator app supports (RFC 6238 §1.2, RFC 4226 §5.3). */
const rules = { algorithm: 'SHA1', digits: 6, period: 30 } as const

/** 160 bits (RFC 4226 §4). */
export const newKey = () => new Secret({ size: 20 }).base32

/** The URI that authenticator apps read from a QR code. */
export const uriOf = (key: string, issuer: string, label: string): string =>
  new TOTP({ ...rules, secret: Secret.fromBase32(key), issuer, label }).toString()

/**
 * The time step of a code; undefined if the code is wrong. Accepts the step before and after the present one,
 * because clocks differ (RFC 6238 §5.2). `now` is in milliseconds.
 */
export function stepOf(key: string, code: string, now: number): number | undefined {
  // The library fails on other characters than ASCII.
  if (!/^[0-9]{6}$/.test(code)) return undefined
  const totp = new TOTP({ ...rules, secret: Secret.fromBase32(key) })
  const delta = totp.validate({ token: code, timestamp: now, window: 1 })
  return delta === null ? undefined : Math.floor(now / 1_000 / rules.period) + delta
}
