import { constants, createPrivateKey, sign } from 'node:crypto'
import type { KeyPair } from '../../../src/features/tokens/key-pair.js'
import { encode, genuine, hmac, jws, jwkOf, publicKeyOf, publishedKey, signerOf } from './kit.js'
import type { Case, Kit, Sign } from './kit.js'

// JSON texts: an escape, a type or a case that a lax comparison would take for the word.
const nones = [
  ...['"none"', '"None"', '"NONE"', '"nOnE"', '"none "', '" none"', '"n\\u006fne"'],
  ...['"none\\u0000"', '""', 'null', 'false', '0', '[]', '["none"]', '{}', '{"toString":"none"}'],
]

/** RFC 8725 §3.1, §3.2: no signature is not a signature. */
export function unsigned(kit: Kit): Case[] {
  const { algorithm, keys, claims, good, header } = kit
  const ofGood = good.split('.')[2] ?? ''
  const signer = signerOf(keys[algorithm])
  const input = (alg: string) =>
    `${encode(`{"alg":${alg},"typ":"at+jwt","kid":"${header.kid}"}`)}.${encode(claims)}`
  const withoutKid = `${encode({ alg: 'none' })}.${encode(claims)}`
  return [
    ...nones.flatMap((alg): Case[] => [
      [`alg ${alg}, unsigned`, `${input(alg)}.`],
      [`alg ${alg}, a signature that is not its own`, `${input(alg)}.${ofGood}`],
      [
        `alg ${alg}, signed with our key`,
        `${input(alg)}.${signer(input(alg)).toString('base64url')}`,
      ],
    ]),
    ['alg none, unsigned, without the last dot', input('"none"')],
    ['alg none, unsigned, nothing but alg', `${withoutKid}.`],
    ['alg none, the signature is the word none', `${input('"none"')}.none`],
    ['alg none, the signature is one null byte', `${input('"none"')}.AA`],
    ['our alg, unsigned', good.slice(0, -ofGood.length)],
    [
      'alg left out, signed with our key',
      genuine(kit)({ header: { typ: header.typ, kid: header.kid } }),
    ],
    [
      'alg left out, another member in its place, signed with our key',
      genuine(kit)({ header: { typ: header.typ, kid: header.kid, algorithm } }),
    ],
  ]
}

const labels = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'RS1'],
  ...['ES256', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'Ed25519', 'Ed448', 'ESP256', 'ML-DSA-44'],
  ...['es256', 'eddsa', 'rs256', 'hs256', 'ES256 ', 'EdDSA\0', 'RS', 'HS', 'dir', 'A256KW'],
  ...['RSA-OAEP', 'ECDH-ES', 'PBES2-HS256+A128KW', 'toString', 'constructor', '__proto__'],
]

/** RFC 8725 §3.1: a key serves one algorithm, whatever label the header bears. */
export function relabelled(kit: Kit): Case[] {
  const { algorithm, keys, claims, header } = kit
  const signers = Object.entries(signaturesOf(keys[algorithm]))
  return labels
    .filter((alg) => alg !== algorithm)
    .flatMap((alg) =>
      signers.map(([kind, signer]): Case => [
        `alg ${JSON.stringify(alg)} on our ${algorithm} key, ${kind}`,
        jws({ ...header, alg }, claims, signer),
      ]),
    )
}

/** Every signature that the key itself can make: a relabelled one is real for the label. */
function signaturesOf(key: KeyPair): Record<string, Sign> {
  const own = { 'its own signature': signerOf(key) }
  if (key.algorithm === 'HS256') {
    return {
      ...own,
      'HMAC-SHA-384': hmac(key.private_key, 'sha384'),
      'HMAC-SHA-512': hmac(key.private_key, 'sha512'),
    }
  }
  if (key.algorithm === 'EdDSA') return own
  const privateKey = createPrivateKey(key.private_key)
  const hashed =
    (hash: string, options = {}): Sign =>
    (input) =>
      sign(hash, Buffer.from(input), { key: privateKey, ...options })
  if (key.algorithm === 'ES256')
    return { ...own, 'in DER': hashed('sha256'), 'SHA-384 in DER': hashed('sha384') }
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  return {
    ...own,
    PSS: hashed('sha256', pss),
    'SHA-384': hashed('sha384'),
    'SHA-512': hashed('sha512'),
  }
}

/** RFC 8725 §2.1: what everybody knows, used as a secret. */
export function confused(kit: Kit): Case[] {
  const { header, claims, keys, algorithm } = kit
  const known = { ...publicForms(publishedKey(kit)), ...guessable(kit) }
  const cases = Object.entries(known).flatMap(([name, secret]): Case[] => [
    [`HS256 by ${name}`, jws({ ...header, alg: 'HS256' }, claims, hmac(secret))],
    [`HS512 by ${name}`, jws({ ...header, alg: 'HS512' }, claims, hmac(secret, 'sha512'))],
  ])
  const asOurs = Object.entries(publicForms(publishedKey(kit))).map(([name, secret]): Case => [
    `${algorithm} by HMAC with ${name}`,
    jws(header, claims, hmac(secret)),
  ])
  return [...cases, ...asOurs, ...mixed(kit, keys)]
}

function publicForms(key: KeyPair): Record<string, string | Buffer> {
  const publicKey = publicKeyOf(key)
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const jwk = jwkOf(key)
  const published = { ...jwk, kid: key.kid, alg: key.algorithm, use: 'sig' }
  const material = jwk.n ?? jwk.x ?? ''
  return {
    'the public PEM': pem,
    'the public PEM without its last line end': pem.trim(),
    'the public PEM with CRLF': pem.replaceAll('\n', '\r\n'),
    'the public PEM after a space': ` ${pem}`,
    'the text inside the public PEM': pem.replace(/-----.*-----|\n/g, ''),
    'the public DER': der,
    'the public JWK': JSON.stringify(jwk),
    'the published JWK': JSON.stringify(published),
    'the JWK set': JSON.stringify({ keys: [published] }),
    'the public number as text': material,
    'the public number': Buffer.from(material, 'base64url'),
  }
}

function guessable({ header, claims }: Kit): Record<string, string> {
  const words = ['secret', 'changeme', 'password', 'gatehouse', 'undefined', 'null', '0', 'key']
  return {
    'the empty secret': '',
    'one null byte': '\0',
    'our kid': header.kid,
    'our issuer': claims.iss,
    ...Object.fromEntries(words.map((word) => [`the word ${word}`, word])),
  }
}

/** The other keys in the database: each signs, but never under another's name, nor HS256's beside. */
function mixed({ algorithm, header, claims }: Kit, keys: Kit['keys']): Case[] {
  return Object.values(keys)
    .filter((key) => key.algorithm !== algorithm)
    .flatMap((key): Case[] => {
      const { kid, algorithm: alg } = key
      const cases: Case[] = [
        [`our kid and alg, signed with the ${alg} key`, jws(header, claims, signerOf(key))],
        [
          `our kid, alg ${alg}, signed with that key`,
          jws({ ...header, alg }, claims, signerOf(key)),
        ],
        [`our alg, the kid of the ${alg} key, signed with ours`, genuineAs({ ...header, kid })],
        [`alg and kid of the ${alg} key, signed with ours`, genuineAs({ ...header, kid, alg })],
        [
          `our alg, the kid of the ${alg} key, signed with that`,
          jws({ ...header, kid }, claims, signerOf(key)),
        ],
      ]
      if (alg !== 'HS256' && algorithm !== 'HS256') return cases
      return [
        ...cases,
        [`the ${alg} key, out of use`, jws({ ...header, kid, alg }, claims, signerOf(key))],
      ]
    })

  function genuineAs(changed: object): string {
    return jws(changed, claims, signerOf(keys[algorithm]))
  }
}
