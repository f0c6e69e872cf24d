import { refreshAudienceOf, revocationsAudienceOf } from '@gatehouse/verify/protocol'
import type { KeyPair } from '../../../src/features/tokens/key-pair.js'
import { keysSecret } from '../app.js'
import { encode, genuine, hmac, jws, jwkOf, publicKeyOf, signerOf, spell } from './kit.js'
import type { Case, Kit } from './kit.js'
import { forwardAuthTokens } from './forward-auth.js'
import { macKeyOf, oldRefresh } from './refresh.js'

const unknownKids = [
  ...['toString', 'constructor', '__proto__', 'valueOf', 'hasOwnProperty', 'prototype', 'get'],
  ...['size', 'isPrototypeOf', '__defineGetter__', '', ' ', '*', '%', '.*', '0', 'undefined'],
  ...['null', 'NaN', '../../../../../../dev/null', '/dev/null', '..\\..\\windows\\win.ini'],
  ...['file:///etc/passwd', '/proc/self/environ', '/etc/passwd\0', "' or '1'='1"],
  ...["x' union select 'secret' -- ", "'; drop table signing_keys; --", '$1', '{"$ne":null}'],
  ...['| sleep 5', '$(sleep 5)', '`sleep 5`'],
  ...['${jndi:ldap://127.0.0.1/a}', '<script>', '\r\nX-Injected: 1', '\ud800', 'k'.repeat(5_000)],
]

// JSON texts, for what is no string at all.
const oddKids = ['null', 'true', 'false', '0', '-1', '1.5', '1e999', '[]', '{}', '[null]']

/** `kid` names one of our keys, or nothing. */
export function kids(kit: Kit): Case[] {
  const { header, claims, stranger, canary } = kit
  const { kid } = header
  const issue = genuine(kit)
  const spelt = (text: string | undefined) => spell(header, 'kid', text)
  const byStranger = signerOf(stranger)
  const unknown = {
    ...Object.fromEntries(unknownKids.map((text) => [brief(text), text])),
    ...near(kid),
    'an address': `${canary}/jwks.json`,
    "the stranger's": stranger.kid,
  }
  const odd = {
    ...Object.fromEntries(oddKids.map((text) => [text, text])),
    'a list of ours': `["${kid}"]`,
    'a list of a list of ours': `[["${kid}"]]`,
    'an object with ours': `{"kid":"${kid}"}`,
    'an object that reads like ours': `{"toString":"${kid}"}`,
  }
  return [
    ['no kid, signed with our key', issue({ header: spelt(undefined) })],
    [
      'no kid, another member in its place, signed with our key',
      issue({ header: spell(header, 'key', `"${kid}"`).replace(`"kid":"${kid}",`, '') }),
    ],
    ['our kid, signed with a new key', jws(header, claims, byStranger)],
    ...Object.entries(unknown).flatMap(([name, text]): Case[] => [
      [`kid ${name}, signed with our key`, issue({ header: { ...header, kid: text } })],
      [`kid ${name}, signed with a new key`, jws({ ...header, kid: text }, claims, byStranger)],
    ]),
    ...Object.entries(odd).map(([name, text]): Case => [
      `kid ${name}, no text, signed with our key`,
      issue({ header: spelt(text) }),
    ]),
    // What is inherited has no algorithm either, so that the two would agree.
    ...unknownKids
      .slice(0, 5)
      .map((text): Case => [
        `kid ${brief(text)}, no alg, another member in its place`,
        issue({ header: { typ: header.typ, kid: text, x: 1 } }),
      ]),
    ...['', '\0', 'secret', 'function toString() { [native code] }'].map((secret): Case => [
      `kid toString, HMAC by ${JSON.stringify(secret)}`,
      jws({ ...header, alg: 'HS256', kid: 'toString' }, claims, hmac(secret)),
    ]),
  ]
}

const near = (kid: string) => ({
  'ours, cut short': kid.slice(0, -1),
  'ours, padded': `${kid}=`,
  'ours, a space behind': `${kid} `,
  'ours, a space in front': ` ${kid}`,
  'ours, a line end behind': `${kid}\n`,
  'ours, a null byte behind': `${kid}\0`,
  'ours, a dot behind': `${kid}.`,
  'ours, twice': `${kid},${kid}`,
  'ours in lower case': kid.toLowerCase(),
  'ours in upper case': kid.toUpperCase(),
})

const brief = (text: string) => {
  const quoted = JSON.stringify(text)
  return quoted.length > 48 ? `${quoted.slice(0, 40)}… of ${text.length}` : quoted
}

/** RFC 7515 §4.1: members that would bring a key, or a meaning, of their own. */
export function headerMembers(kit: Kit): Case[] {
  const issue = genuine(kit)
  const { header, claims, stranger } = kit
  const byStranger = signerOf(stranger)
  return Object.entries(members(kit)).flatMap(([name, extra]): Case[] => [
    [`${name}, signed with our key`, issue({ header: { ...header, ...extra } })],
    [`${name}, signed with a new key`, jws({ ...header, ...extra }, claims, byStranger)],
    [
      `${name}, no kid, signed with a new key`,
      jws({ alg: header.alg, typ: header.typ, ...extra }, claims, byStranger),
    ],
    [
      `${name}, no typ, signed with our key`,
      issue({ header: { alg: header.alg, kid: header.kid, ...extra } }),
    ],
  ])
}

function members({ stranger, canary }: Kit): Record<string, object> {
  const { jwk, der } = published(stranger)
  return {
    'jwk of a new key': { jwk },
    'jwk is an empty octet key': { jwk: { kty: 'oct', k: '' } },
    'jwk as text': { jwk: JSON.stringify(jwk) },
    'jwks of a new key': { jwks: { keys: [jwk] } },
    'jku to a new key': { jku: `${canary}/jwks.json` },
    'jku with userinfo': { jku: `${canary.replace('//', '//localhost:3000@')}/jwks.json` },
    'jku is a list': { jku: [`${canary}/jwks.json`] },
    'x5u to a new key': { x5u: `${canary}/certificate.pem` },
    'x5c of a new key': { x5c: [der.toString('base64')] },
    x5t: { x5t: 'AAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    'x5t#S256': { 'x5t#S256': 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    'crit of a claim': { crit: ['exp'], exp: 1 },
    'crit of what nobody knows': { crit: ['gate'], gate: true },
    'crit of what is not there': { crit: ['gate'] },
    'crit of alg': { crit: ['alg'] },
    'crit of __proto__': { crit: ['__proto__'] },
    'empty crit': { crit: [] },
    'crit is text': { crit: 'exp' },
    'crit is null': { crit: null },
    'crit is false': { crit: false },
    'crit is an object': { crit: { b64: true } },
    'b64 false, critical': { b64: false, crit: ['b64'] },
    'b64 true, critical': { b64: true, crit: ['b64'] },
    'b64 false': { b64: false },
    zip: { zip: 'DEF' },
    enc: { enc: 'A256GCM' },
    epk: { epk: jwk },
    'p2c of two billion': { p2c: 2_000_000_000, p2s: 'AAAA' },
    'cty JWT': { cty: 'JWT' },
    'iss in the header': { iss: canary },
    'url in the header': { url: canary, nonce: '1' },
    'a member that nobody knows': { gate: 1 },
    'the empty name': { '': 1 },
  }
}

function published(key: KeyPair) {
  if (key.algorithm === 'HS256') {
    const k = encode(key.private_key)
    return { jwk: { kty: 'oct', k, alg: 'HS256' }, der: Buffer.from(key.private_key) }
  }
  return { jwk: jwkOf(key), der: publicKeyOf(key).export({ type: 'spki', format: 'der' }) }
}

// JSON texts. RFC 9068 §2.1 also allows application/at+jwt, in any case of letters.
const types = [
  ...['"JWT"', '"jwt"', '"rt+jwt"', '"application/rt+jwt"', '"at"', '"at+"', '"+jwt"', '"jwt+at"'],
  ...['"at+jwt "', '" at+jwt"', '"at+jwt\\u0000"', '"at+jwt;v=1"', '"at jwt"', '"at%2Bjwt"'],
  ...['"xat+jwt"', '"application/application/at+jwt"', '"text/at+jwt"', '"/at+jwt"'],
  ...['"application/"', '"id+jwt"', '"logout+jwt"', '"dpop+jwt"', '"secevent+jwt"', '""', 'null'],
  ...['true', '0', '1e999', '{}', '[]', '["at+jwt"]', '{"toString":"at+jwt"}', '"ａt+jwt"'],
  ...['"constructor"', '"fa+jwt"', '"application/fa+jwt"'],
]

/** RFC 8725 §3.11: a token of another kind. */
export function tokenTypes(kit: Kit): Case[] {
  const { refresh, header, claims } = kit
  const issue = genuine(kit)
  const mac = macKeyOf(kit)
  const byMac = signerOf(mac)
  const [, , signature = ''] = refresh.split('.')
  const refreshPayload = Buffer.from(refresh.split('.')[1] ?? '', 'base64url')
  return [
    ['no typ', issue({ header: spell(header, 'typ', undefined) })],
    [
      'no typ, another member in its place',
      issue({ header: { alg: header.alg, kid: header.kid, cty: 'at+jwt' } }),
    ],
    ['Typ', issue({ header: { alg: header.alg, kid: header.kid, Typ: 'at+jwt' } })],
    ...types.map((text): Case => [`typ ${text}`, issue({ header: spell(header, 'typ', text) })]),
    ...forwardAuthTokens(kit).map(([name, token]): Case => [`a token of a host: ${name}`, token]),
    ['a refresh token', refresh],
    ['a refresh token of an earlier release', oldRefresh(kit)],
    ['the claims of a refresh token as an access token', issue({ payload: refreshPayload })],
    [
      'a refresh token that calls itself an access token',
      `${encode({ alg: 'HS256', typ: 'at+jwt', kid: mac.kid })}.${encode(refreshPayload)}.${signature}`,
    ],
    [
      'an access token by the key of refresh tokens',
      jws({ alg: 'HS256', typ: 'at+jwt', kid: mac.kid }, claims, byMac),
    ],
    [
      'an access token by the key of refresh tokens, our algorithm',
      jws({ ...header, kid: mac.kid }, claims, byMac),
    ],
    [
      'an access token by the key of refresh tokens, our kid',
      jws({ ...header, alg: 'HS256' }, claims, byMac),
    ],
    ['an access token under our kid by the key of refresh tokens', jws(header, claims, byMac)],
    [
      'the kid of refresh tokens, signed with our key',
      issue({ header: { ...header, kid: mac.kid } }),
    ],
    [
      'an access token by KEYS_SECRET',
      jws({ ...header, alg: 'HS256', kid: mac.kid }, claims, hmac(keysSecret)),
    ],
    ...[refreshAudienceOf(claims.iss), revocationsAudienceOf(claims.iss)].map((aud): Case => [
      `an access token for ${aud.slice(claims.iss.length)}`,
      issue({ payload: { ...claims, aud } }),
    ]),
    [
      'the claims of both',
      issue({ header: { ...header, typ: 'rt+jwt' }, payload: { ...claims, gen: 0 } }),
    ],
  ]
}
