import { createHmac } from 'node:crypto'
import { deflateSync } from 'node:zlib'

export const oldSecrets = {
  jwt: 'w&8s5^5vuhy2-gvkyi=gg4e*tso*51mb$l',
  cookie: '7d1f0c39b5a24e6fa8c1d0e2936b47aa',
}

/** The service for a year with the old app of the tests. */
export const oldAppEnv = {
  OLD_APP_UNTIL: new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10),
  OLD_APP_JWT_SECRET: oldSecrets.jwt,
  OLD_APP_COOKIE_SECRET: oldSecrets.cookie,
}

const seconds = () => Math.floor(Date.now() / 1_000)

/** A refresh token as flask-jwt-extended 4 makes it. Claims that are undefined are left out. */
export function oldToken(
  claims: Record<string, unknown> = {},
  { secret = oldSecrets.jwt, algorithm = 'HS256' } = {},
): string {
  const now = seconds()
  const base = { fresh: false, iat: now, jti: crypto.randomUUID(), type: 'refresh', sub: '12' }
  const all = { ...base, nbf: now, exp: now + 3_600, ...claims }
  // JSON leaves out what is undefined.
  const parts = [{ alg: algorithm, typ: 'JWT' }, all].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const hash = algorithm.replace('HS', 'sha')
  const signature = createHmac(hash, secret).update(parts.join('.')).digest('base64url')
  return [...parts, signature].join('.')
}

type Cookie = { secret?: string; at?: number; compressed?: boolean; salt?: string }

/** The session cookie of a Flask app, as itsdangerous signs it. */
export function oldCookie(
  session: object = { email: 'ada@example.org' },
  { secret = oldSecrets.cookie, at = seconds(), compressed = false, ...rest }: Cookie = {},
): string {
  const json = Buffer.from(JSON.stringify(session))
  const payload = compressed
    ? `.${deflateSync(json).toString('base64url')}`
    : json.toString('base64url')
  const time = Buffer.from(at.toString(16).padStart(8, '0'), 'hex').toString('base64url')
  const key = createHmac('sha1', secret)
    .update(rest.salt ?? 'cookie-session')
    .digest()
  const signature = createHmac('sha1', key).update(`${payload}.${time}`).digest('base64url')
  return `${payload}.${time}.${signature}`
}
