import { refreshAudienceOf } from '@gatehouse/verify/protocol'
import { forwardAuthKeyOf, refreshKeyOf } from '../../../src/features/tokens/refresh-key.js'
import { keysSecret } from '../app.js'
import { encode, hmac, jws, signerOf, type Kit, type Part } from './kit.js'

/** The claims of the cookie of an app's host, for the user of the kit. */
export function hostClaimsOf({ claims }: Pick<Kit, 'claims'>, aud = 'app.example.org') {
  return { ...claims, jti: undefined, client_id: undefined, aud }
}

/** Genuine tokens of a host, and what someone with such a token could make of it for another place. */
export function forwardAuthTokens(kit: Kit): [name: string, token: string][] {
  const { claims, header } = kit
  const key = forwardAuthKeyOf(keysSecret, header.kid)
  const byKey = signerOf(key)
  const own = { alg: 'HS256', typ: 'fa+jwt', kid: key.kid }
  const genuine = jws(own, hostClaimsOf(kit), byKey)
  const [, payload = '', signature = ''] = genuine.split('.')
  return [
    ['genuine', genuine],
    ['for the audience of access tokens', jws(own, hostClaimsOf(kit, claims.aud), byKey)],
    [
      'for the audience of refresh tokens',
      jws(own, hostClaimsOf(kit, refreshAudienceOf(claims.iss)), byKey),
    ],
    ['with the claims of an access token', jws(own, claims, byKey)],
    ['typ at+jwt by its key', jws({ ...own, typ: 'at+jwt' }, claims, byKey)],
    ['typ rt+jwt by its key', jws({ ...own, typ: 'rt+jwt' }, claims, byKey)],
    ['typ at+jwt, its signature', `${encode({ ...own, typ: 'at+jwt' })}.${payload}.${signature}`],
    ['the kid of the signing key', jws({ ...own, kid: header.kid }, claims, byKey)],
    ['the header of the signing key', jws(header, claims, byKey)],
  ]
}

/** Cookies that no host may take. All have the form of a genuine one. `good` is genuine for the host `aud`. */
export function forgedHostTokens(
  good: string,
  { now, ttl, signingKid }: { now: number; ttl: number; signingKid: string },
): [name: string, token: string][] {
  const [header, claims] = good
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>)
  const key = forwardAuthKeyOf(keysSecret, signingKid)
  const refreshKey = refreshKeyOf(keysSecret, signingKid)
  const [, payload = '', signature = ''] = good.split('.')
  const by = (head: Part, body: Part = claims!, signer = signerOf(key)) => jws(head, body, signer)
  const issue = (changed: object) => by(header!, { ...claims, ...changed })
  const without = (name: string) => by(header!, { ...claims, [name]: undefined })
  const heads: Record<string, object> = {
    'typ at+jwt': { ...header, typ: 'at+jwt' },
    'typ rt+jwt': { ...header, typ: 'rt+jwt' },
    'typ JWT': { ...header, typ: 'JWT' },
    'no typ': { alg: 'HS256', kid: key.kid },
    'no kid': { alg: 'HS256', typ: 'fa+jwt' },
    'alg none': { ...header, alg: 'none' },
    'alg ES256': { ...header, alg: 'ES256' },
    'alg HS512': { ...header, alg: 'HS512' },
    'the kid of the signing key': { ...header, kid: signingKid },
    'the kid of refresh tokens': { ...header, kid: refreshKey.kid },
    'a member more': { ...header, cty: 'JWT' },
    'a key in the header': { ...header, jwk: { kty: 'oct', k: encode('x') } },
    crit: { ...header, crit: ['b64'], b64: true },
  }
  const changes: Record<string, object> = {
    'another issuer': { iss: 'https://evil.example' },
    'another host': { aud: 'app2.example.org' },
    'a list of hosts': { aud: [claims!.aud, 'app2.example.org'] },
    'the audience of access tokens': { aud: 'gatehouse' },
    'the host with a dot': { aud: `${String(claims!.aud)}.` },
    'the origin': { aud: `https://${String(claims!.aud)}` },
    expired: { exp: now - 1 },
    'issued ahead of time': { iat: now + 120 },
    'a longer life than a session': { exp: (claims!.iat as number) + ttl + 1 },
    'exp is text': { exp: String(claims!.exp) },
    'sub is no id': { sub: 'admin' },
    'sid is no id': { sid: '1' },
    'roles is text': { roles: 'admin' },
    'roles is a list of numbers': { roles: [1] },
    'epoch is negative': { epoch: -1 },
    'not yet valid': { nbf: now + 3_600 },
  }
  return [
    ...Object.entries(heads).map(([name, head]): [string, string] => [name, by(head)]),
    ...Object.entries(changes).map(([name, changed]): [string, string] => [name, issue(changed)]),
    ...['iss', 'aud', 'sub', 'sid', 'gen', 'roles', 'epoch', 'iat', 'exp'].map(
      (name): [string, string] => [`without ${name}`, without(name)],
    ),
    ['by the key of refresh tokens', by(header!, claims, signerOf(refreshKey))],
    ['by KEYS_SECRET', by(header!, claims, hmac(keysSecret))],
    ['by an empty secret', by(header!, claims, hmac(''))],
    ['without a signature', `${encode(header!)}.${payload}.`],
    ['a signature cut short', good.slice(0, -1)],
    [
      'a role more, the old signature',
      `${encode(header!)}.${encode({ ...claims, roles: ['admin'] })}.${signature}`,
    ],
    ['another spelling of the signature', respell(good)],
    ['padded', `${good}=`],
    ['twice', `${good}.${good}`],
    ['9 KB', `${good}${'A'.repeat(9_000)}`],
    ['nothing', ''],
    ['three dots', '...'],
  ]
}

/** The last character has bits that decoders ignore. */
function respell(token: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = letters.indexOf(token.at(-1) ?? '')
  return token.slice(0, -1) + (letters[last ^ 1] ?? '')
}
