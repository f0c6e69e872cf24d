import { refreshAudienceOf } from '@gatehouse/verify/protocol'
import { createHmac, hkdfSync } from 'node:crypto'
import { refreshKeyOf } from '../../../src/features/tokens/refresh-key.js'
import { keysSecret } from '../app.js'
import { forwardAuthTokens } from './forward-auth.js'
import { encode, hmac, jwkOf, jws, publicKeyOf, publishedKey, signerOf, spell } from './kit.js'
import type { Case, Kit, Part, Sign } from './kit.js'

/** The key that the service derives for the refresh tokens of its signing key, which no forger has. */
export const macKeyOf = ({ keys, algorithm }: Kit) => refreshKeyOf(keysSecret, keys[algorithm].kid)

const decoded = (part = '') =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>

function partsOf({ refresh }: Kit) {
  const [header, payload] = refresh.split('.').slice(0, 2).map(decoded)
  return { header: header ?? {}, payload: payload ?? {} }
}

/** Signs with the service's own key for refresh tokens, whatever it is asked to. */
export function genuineRefresh(kit: Kit) {
  const { header, payload } = partsOf(kit)
  const signer = signerOf(macKeyOf(kit))
  return (changed: { header?: Part; payload?: Part }) =>
    jws(changed.header ?? header, changed.payload ?? payload, signer)
}

/** A refresh token as earlier releases issued them: by the signing key, for everybody's audience. */
export function oldRefresh(kit: Kit): string {
  const { payload } = partsOf(kit)
  const header = { ...kit.header, typ: 'rt+jwt' }
  return jws(header, { ...payload, aud: kit.claims.aud }, signerOf(kit.keys[kit.algorithm]))
}

/** Tokens for /api/refresh. Whoever has the JWK set, a JWT_SECRET or a refresh token can make most of them. */
export function refreshTokens(kit: Kit): Case[] {
  const { algorithm, keys, header: access, claims, good, stranger } = kit
  const { header, payload } = partsOf(kit)
  const mac = macKeyOf(kit)
  const byRing = signerOf(keys[algorithm])
  const byMac = signerOf(mac)
  const ring = { ...access, typ: 'rt+jwt' }
  const issue = genuineRefresh(kit)
  const own = encode(payload)
  const swaps: Case[] = [
    ['the access token', good],
    ['signed by the signing key, under its kid', jws(ring, payload, byRing)],
    ['signed by the signing key, under our kid', jws({ ...ring, kid: mac.kid }, payload, byRing)],
    ['signed by the signing key, under our header', jws(header, payload, byRing)],
    ['the audience of access tokens, by the signing key', oldRefresh(kit)],
    [
      'the MAC under the kid of the signing key',
      jws({ ...header, kid: access.kid }, payload, byMac),
    ],
    ['the MAC under the header of the signing key', jws(ring, payload, byMac)],
    ['the claims of an access token under the MAC', issue({ payload: claims })],
    ['an access token under the MAC', jws({ ...header, typ: 'at+jwt' }, claims, byMac)],
    ['typ at+jwt under the MAC', issue({ header: { ...header, typ: 'at+jwt' } })],
    ...forwardAuthTokens(kit).map(([name, token]): Case => [`a token of a host: ${name}`, token]),
    ['signed by a stranger', jws(ring, payload, signerOf(stranger))],
    ['by the MAC of a key that is not there', byKeyOf(stranger.kid)],
    ['by the MAC of a key that is out of use', byKeyOf(outOfUse(kit).kid)],
    ['without its MAC', `${encode(header)}.${own}.`],
    ['alg none', `${encode({ ...header, alg: 'none' })}.${own}.`],
  ]
  // Of a secret's own algorithm that is the genuine one.
  const asymmetric: Case = [
    'the MAC under its own kid, the algorithm of the signing key',
    jws({ ...ring, kid: mac.kid }, payload, byMac),
  ]
  return [
    ...swaps,
    ...(algorithm === 'HS256' ? [] : [asymmetric]),
    ...Object.entries(secrets(kit)).map(([name, secret]): Case => [
      `HS256 by ${name}`,
      jws(header, payload, hmac(secret)),
    ]),
    ...relabelled(),
    ...headers(),
    ...wrongClaims(kit, payload).map(([name, changed]): Case => [
      name,
      issue({ payload: changed }),
    ]),
  ]

  function byKeyOf(kid: string): string {
    const other = refreshKeyOf(keysSecret, kid)
    return jws({ ...header, kid: other.kid }, payload, signerOf(other))
  }

  function relabelled(): Case[] {
    const labels = ['HS384', 'HS512', 'hs256', 'ES256', 'EdDSA', 'RS256', 'PS256', 'none', '']
    const hashes: Record<string, Sign> = {
      'SHA-256': byMac,
      'SHA-384': hmac(mac.private_key, 'sha384'),
      'SHA-512': hmac(mac.private_key, 'sha512'),
    }
    return labels.flatMap((alg) =>
      Object.entries(hashes).map(([hash, sign]): Case => [
        `alg ${JSON.stringify(alg)}, HMAC with ${hash}`,
        jws({ ...header, alg }, payload, sign),
      ]),
    )
  }

  function headers(): Case[] {
    const changed: Record<string, Part> = {
      'no kid': spell(header, 'kid', undefined),
      'no typ': spell(header, 'typ', undefined),
      'no alg': spell(header, 'alg', undefined),
      'kid is a list': { ...header, kid: [header.kid] },
      'kid cut short': { ...header, kid: String(header.kid).slice(1) },
      'kid toString': { ...header, kid: 'toString' },
      'typ JWT': { ...header, typ: 'JWT' },
      'typ revocations+jwt': { ...header, typ: 'revocations+jwt' },
      'a member more': { ...header, cty: 'JWT' },
      'a key in the header': { ...header, jwk: { kty: 'oct', k: encode('secret') } },
      'crit of what nobody knows': { ...header, crit: ['x'], x: 1 },
    }
    return Object.entries(changed).map(([name, part]) => [name, issue({ header: part })])
  }
}

/** Keys of a secret and of a pair are never in use together. */
const outOfUse = ({ algorithm, keys }: Kit) => keys[algorithm === 'HS256' ? 'ES256' : 'HS256']

/** What is public, what other services know, and what KEYS_SECRET is used for elsewhere. */
function secrets(kit: Kit): Record<string, string | Buffer> {
  const { keys, algorithm, header } = kit
  const { kid } = keys[algorithm]
  const mac = macKeyOf(kit)
  const published = publicKeyOf(publishedKey(kit))
  const derived = (info: string, salt = '') =>
    Buffer.from(hkdfSync('sha256', keysSecret, salt, info, 32))
  const purposes = [
    ...['signing keys', 'device marks', 'one-time codes', 'refresh tokens', ''],
    `forward-auth tokens ${kid}`,
  ]
  return {
    'the public PEM': published.export({ type: 'spki', format: 'pem' }),
    'the public DER': published.export({ type: 'spki', format: 'der' }),
    'the public JWK': JSON.stringify(jwkOf(publishedKey(kit))),
    'the private key': keys[algorithm].private_key,
    'the secret of HS256': keys.HS256.private_key,
    'KEYS_SECRET itself': keysSecret,
    'a hash of KEYS_SECRET and the kid': createHmac('sha256', keysSecret).update(kid).digest(),
    ...Object.fromEntries(
      purposes.map((purpose) => [
        `the key for ${purpose || 'nothing'}`,
        derived(`gatehouse ${purpose}`),
      ]),
    ),
    'the key for another kid': refreshKeyOf(keysSecret, kit.stranger.kid).private_key,
    'the key without its kid': refreshKeyOf(keysSecret, '').private_key,
    'the key for its own kid': refreshKeyOf(keysSecret, mac.kid).private_key,
    'the bytes of the key': Buffer.from(mac.private_key, 'base64url'),
    'the kid of the key': mac.kid,
    'the kid of the signing key': header.kid,
    'the empty secret': '',
    'the word secret': 'secret',
  }
}

/** Under the right MAC: only what the claims say is wrong. */
function wrongClaims({ claims, now, canary }: Kit, payload: Record<string, unknown>) {
  const { iss, aud } = claims
  const own = refreshAudienceOf(iss)
  const audiences = [
    aud,
    iss,
    `${own}/`,
    own.toUpperCase(),
    'refresh',
    '',
    null,
    [own],
    [own, aud],
    {},
  ]
  const table: Record<string, unknown[]> = {
    aud: [undefined, ...audiences],
    iss: [undefined, canary, `${iss}/`, aud, own, '', null, [iss]],
    sub: [undefined, '', null, String(payload.sub).toUpperCase(), [payload.sub]],
    sid: [undefined, '', null, String(payload.sid).toUpperCase(), [payload.sid]],
    jti: [undefined, '', null, String(payload.sid), claims.jti],
    gen: [undefined, -1, 0.5, '0', null],
    exp: [undefined, now, now - 1, String(payload.exp), null, 253_402_300_799],
    iat: [undefined, now + 61, String(payload.iat), null, 0],
  }
  return Object.entries(table).flatMap(([claim, values]) =>
    values.map((value, at): [string, object] => [
      `${claim} is wrong, way ${String(at)}`,
      { ...payload, [claim]: value },
    ]),
  )
}
