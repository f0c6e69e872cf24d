import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { encode, genuine, jws } from './kit.js'
import type { Case, Kit } from './kit.js'

/** RFC 7515 §7.1: three parts of base64url and two dots, and nothing else. */
export function shapes(kit: Kit): Case[] {
  const [header = '', payload = '', signature = ''] = kit.good.split('.')
  const joined = (...parts: string[]) => parts.join('.')
  const shapes: Record<string, string> = {
    ...Object.fromEntries(
      ['.', '..', '...', 'a', 'a.b', 'a.b.c', '-._.-', 'null', 'undefined', '[object', '{}'].map(
        (text) => [text, text],
      ),
    ),
    'no header': joined('', payload, signature),
    'no payload': joined(header, '', signature),
    'no signature': joined(header, payload, ''),
    'nothing but the signature': joined('', '', signature),
    'two parts': joined(header, payload),
    'header and signature': joined(header, signature),
    'a dot in front': `.${kit.good}`,
    'a dot behind': `${kit.good}.`,
    'two dots in the middle': joined(header, '', payload, signature),
    'four parts': joined(kit.good, signature),
    'four parts, the first a header': joined(header, kit.good),
    'another order': joined(signature, payload, header),
    'twice the token': joined(kit.good, kit.good),
    'twice the token without a dot': kit.good + kit.good,
    'the first half': kit.good.slice(0, kit.good.length / 2),
    'the second half': kit.good.slice(kit.good.length / 2),
    backwards: Buffer.from(kit.good).reverse().toString(),
    'upper case': kit.good.toUpperCase(),
    'encoded once more': encode(kit.good),
    'colons for dots': kit.good.replaceAll('.', ':'),
    'escaped dots': kit.good.replaceAll('.', '%2E'),
    'in quotes': `"${kit.good}"`,
    'random bytes': randomBytes(60).toString('base64url'),
    'three random parts': joined(...[20, 90, 64].map((n) => randomBytes(n).toString('base64url'))),
  }
  return [
    ...Object.entries(shapes).map(([name, token]): Case => [`shape: ${name}`, token]),
    ...other(kit, { header, payload, signature }),
  ]
}

/** What else the JOSE RFCs know: encryption, nesting, JSON. */
function other(kit: Kit, parts: { header: string; payload: string; signature: string }): Case[] {
  const issue = genuine(kit)
  const { header, payload, signature } = parts
  const general = { payload, signatures: [{ protected: header, signature }] }
  const bomb = deflateRawSync(Buffer.alloc(2_000_000)).subarray(0, 3_000)
  const jwe = (alg: string, more = {}, text = randomBytes(64)) =>
    [
      encode({ alg, enc: 'A256GCM', typ: 'at+jwt', kid: kit.header.kid, ...more }),
      '',
      encode(randomBytes(12)),
      encode(text),
      encode(randomBytes(16)),
    ].join('.')
  return [
    ...['dir', 'RSA-OAEP', 'ECDH-ES', 'A256KW', 'none', kit.algorithm].map((alg): Case => [
      `JWE: ${alg}`,
      jwe(alg),
    ]),
    [
      'JWE: a password hashed two billion times',
      jwe('PBES2-HS256+A128KW', { p2c: 2_000_000_000, p2s: 'AAAA' }),
    ],
    ['JWE: a compression bomb', jwe('dir', { zip: 'DEF' }, bomb)],
    ['nested: the good token as payload', issue({ payload: kit.good })],
    ['nested: the good token as a JSON string', issue({ payload: JSON.stringify(kit.good) })],
    ['nested: with cty', issue({ header: { ...kit.header, cty: 'JWT' }, payload: kit.good })],
    [
      'nested: in a claim',
      jws(kit.header, { jwt: kit.good, ...kit.claims }, () => randomBytes(64)),
    ],
    ['JSON: flattened', JSON.stringify({ payload, protected: header, signature })],
    ['JSON: general', JSON.stringify(general)],
    ['JSON: flattened, encoded', encode({ payload, protected: header, signature })],
    ['detached payload', `${header}..${signature}`],
    ['more than 8 KB', issue({ payload: { ...kit.claims, filler: 'x'.repeat(6_300) } })],
    ['more than 8 KB, unsigned', `${header}.${'A'.repeat(8_200)}.${signature}`],
    ['more than 16 KB', `${header}.${'A'.repeat(17_000)}.${signature}`, 'headers_too_large'],
    ['nothing but dots, 8,000 of them', '.'.repeat(8_000)],
  ]
}
