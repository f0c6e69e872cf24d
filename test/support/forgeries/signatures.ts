import { constants, createHash, createPrivateKey, randomBytes, sign } from 'node:crypto'
import { encode, genuine, hmac, jwkOf, jws, signerOf } from './kit.js'
import type { Case, Kit, Sign } from './kit.js'
import { alphabet } from './spellings.js'

/** Header and claims of the good token under a signature that is not theirs. */
export function signatures(kit: Kit): Case[] {
  const [header = '', payload = '', own = ''] = kit.good.split('.')
  const bytes = Buffer.from(own, 'base64url')
  const input = `${header}.${payload}`
  const kinds: Record<string, Buffer> = {
    ...broken(bytes),
    ...ofTheKind[kit.algorithm](kit, bytes, input),
  }
  return [
    ...Object.entries(kinds).map(([name, signature]): Case => [
      `signature: ${name}`,
      `${input}.${signature.toString('base64url')}`,
    ]),
    ...padBits(own).map((spelling, at): Case => [
      `signature: loose bits, spelling ${at + 2}`,
      `${input}.${spelling}`,
    ]),
    ...tampered(kit, own),
  ]
}

function broken(bytes: Buffer): Record<string, Buffer> {
  const { length } = bytes
  const flipped = (at: number, bit = 1) => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ bit
    return copy
  }
  return {
    'first bit flipped': flipped(0, 0x80),
    'first byte changed': flipped(0),
    'a byte in the middle changed': flipped(length >> 1),
    'last byte changed': flipped(length - 1),
    'last bit but seven flipped': flipped(length - 1, 0x80),
    'one byte short': bytes.subarray(0, -1),
    'one byte short in front': bytes.subarray(1),
    'half of it': bytes.subarray(0, length / 2),
    'first byte only': bytes.subarray(0, 1),
    'a null byte more': Buffer.concat([bytes, Buffer.alloc(1)]),
    'a null byte in front': Buffer.concat([Buffer.alloc(1), bytes]),
    'a byte more': Buffer.concat([bytes, Buffer.from([1])]),
    twice: Buffer.concat([bytes, bytes]),
    backwards: Buffer.from(bytes).reverse(),
    'all zero': Buffer.alloc(length),
    'all ones': Buffer.alloc(length, 0xff),
    'the number one': Buffer.concat([Buffer.alloc(length - 1), Buffer.from([1])]),
    random: randomBytes(length),
    'random, 4,000 bytes': randomBytes(4_000),
    'in hexadecimal': Buffer.from(bytes.toString('hex')),
    'in base64 once more': Buffer.from(bytes.toString('base64url')),
  }
}

/** RFC 4648 §3.5: the last letter may have bits that belong to no byte. */
function padBits(own: string): string[] {
  const bytes = Buffer.from(own, 'base64url')
  return Array.from(alphabet)
    .map((letter) => own.slice(0, -1) + letter)
    .filter((text) => text !== own && Buffer.from(text, 'base64url').equals(bytes))
}

type OfTheKind = (kit: Kit, own: Buffer, input: string) => Record<string, Buffer>

// The order of P-256, and the one of Ed25519's group.
const p256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const ed25519 = 2n ** 252n + 27742317777372353535851937790883648493n

const toNumber = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`)
const toBytes = (number: bigint, length = 32) =>
  Buffer.from(number.toString(16).padStart(2 * length, '0'), 'hex')

/** The same signature with `n − s` for `s`, which is as genuine: ECDSA cannot tell. */
export function otherS(token: string): string {
  const [header, payload, own = ''] = token.split('.')
  const bytes = Buffer.from(own, 'base64url')
  const s = toBytes(p256 - toNumber(bytes.subarray(32)))
  return `${header}.${payload}.${encode(Buffer.concat([bytes.subarray(0, 32), s]))}`
}

const ofTheKind: Record<Kit['algorithm'], OfTheKind> = {
  ES256: ({ keys }, own, input) => {
    const [r, s] = [own.subarray(0, 32), own.subarray(32)]
    const pair = (...numbers: (bigint | Buffer)[]) =>
      Buffer.concat(numbers.map((part) => (Buffer.isBuffer(part) ? part : toBytes(part))))
    const key = createPrivateKey(keys.ES256.private_key)
    const x = Buffer.from(jwkOf(keys.ES256).x ?? '', 'base64url')
    return {
      'in DER': sign('sha256', Buffer.from(input), key),
      'SHA-384': sign('sha384', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }),
      'r and s swapped': pair(s, r),
      'r = 0': pair(0n, s),
      's = 0': pair(r, 0n),
      'r = n': pair(p256, s),
      's = n': pair(r, p256),
      'r = s = n': pair(p256, p256),
      'r = n + 1': pair(p256 + 1n, s),
      's = n + 1': pair(r, p256 + 1n),
      'r = 2^256 − 1': pair(2n ** 256n - 1n, s),
      's = 2^256 − 1': pair(r, 2n ** 256n - 1n),
      'r = s = 0 in DER': Buffer.from('3006020100020100', 'hex'),
      'a null byte between r and s': Buffer.concat([r, Buffer.alloc(1), s]),
      '65 null bytes': Buffer.alloc(65),
      'r = s = 1': pair(1n, 1n),
      'r = n, s = 0': pair(p256, 0n),
      'r = n − 1, s = n − 1': pair(p256 - 1n, p256 - 1n),
      'r of the public point, s the same': pair(x, x),
      'r and s as 48 bytes': Buffer.concat(
        [r, s].map((part) => Buffer.concat([Buffer.alloc(16), part])),
      ),
    }
  },
  EdDSA: ({ keys }, own) => {
    const [r, s] = [own.subarray(0, 32), own.subarray(32)]
    const little = (bytes: Buffer) => Buffer.from(bytes).reverse()
    const plus = (times: bigint) => little(toBytes(toNumber(little(s)) + times * ed25519))
    const identity = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])
    return {
      's + L': Buffer.concat([r, plus(1n)]),
      's + 2 L': Buffer.concat([r, plus(2n)]),
      's + 8 L': Buffer.concat([r, plus(8n)]),
      's = 0': Buffer.concat([r, Buffer.alloc(32)]),
      's = L': Buffer.concat([r, little(toBytes(ed25519))]),
      'R the identity, s = 0': Buffer.concat([identity, Buffer.alloc(32)]),
      'R the public key, s = 0': Buffer.concat([
        Buffer.from(jwkOf(keys.EdDSA).x ?? '', 'base64url'),
        Buffer.alloc(32),
      ]),
      'R and s swapped': Buffer.concat([s, r]),
    }
  },
  RS256: ({ keys }, own, input) => {
    const key = createPrivateKey(keys.RS256.private_key)
    const n = toNumber(Buffer.from(jwkOf(keys.RS256).n ?? '', 'base64url'))
    const hashed = (hash: string) => sign(hash, Buffer.from(input), key)
    return {
      PSS: sign('sha256', Buffer.from(input), {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
      }),
      'SHA-1': hashed('sha1'),
      'SHA-384': hashed('sha384'),
      'SHA-512': hashed('sha512'),
      'plus the modulus': toBytes(toNumber(own) + n, own.length + 1),
      'the modulus': toBytes(n, own.length),
      'the modulus less one': toBytes(n - 1n, own.length),
      'its negative': toBytes(n - toNumber(own), own.length),
      'the padded hash, not signed': padded(own.length, input),
    }
  },
  HS256: ({ keys }, own, input) => {
    const secret = keys.HS256.private_key
    const by = (key: string | Buffer, hash?: string): Buffer => hmac(key, hash)(input)
    return {
      'SHA-1': by(secret, 'sha1'),
      'SHA-384': by(secret, 'sha384'),
      'SHA-512': by(secret, 'sha512'),
      'by the decoded secret': by(Buffer.from(secret, 'base64url')),
      'by the secret and a line end': by(`${secret}\n`),
      '128 bits of it': own.subarray(0, 16),
    }
  },
}

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of a text, as a key with exponent 1 would sign it. */
function padded(length: number, input: string): Buffer {
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  const digest = Buffer.concat([info, createHash('sha256').update(input).digest()])
  const filler = Buffer.alloc(length - digest.length - 3, 0xff)
  return Buffer.concat([Buffer.from([0, 1]), filler, Buffer.from([0]), digest])
}

/** A genuine signature of something else. */
function tampered(kit: Kit, own: string): Case[] {
  const { header, claims, refresh } = kit
  const keep: Sign = () => Buffer.from(own, 'base64url')
  const other = genuine(kit)({ payload: { ...claims, roles: [] } }).split('.')[2] ?? ''
  const changed = (changes: object) => jws(header, { ...claims, ...changes }, keep)
  return [
    ['changed: roles', changed({ roles: ['admin', 'user'] })],
    ['changed: sub', changed({ sub: '00000000-0000-7000-8000-000000000001' })],
    ['changed: exp', changed({ exp: claims.exp - 1 })],
    ['changed: a claim more', changed({ admin: true })],
    [
      'changed: order of the claims',
      jws(header, Object.fromEntries(Object.entries(claims).reverse()), keep),
    ],
    ['changed: a space in the payload', jws(header, `${JSON.stringify(claims)} `, keep)],
    ['changed: a space in the header', jws(`${JSON.stringify(header)} `, claims, keep)],
    [
      'changed: order of the header',
      jws({ kid: header.kid, typ: header.typ, alg: header.alg }, claims, keep),
    ],
    [
      'changed: the signature of another token',
      jws(header, claims, () => Buffer.from(other, 'base64url')),
    ],
    [
      'changed: the signature of the refresh token',
      jws(header, claims, () => Buffer.from(refresh.split('.')[2] ?? '', 'base64url')),
    ],
    [
      'changed: only the payload is signed',
      jws(header, claims, () => signOnly(kit, encode(claims))),
    ],
    [
      'changed: the JSON is signed',
      jws(header, claims, () => signOnly(kit, JSON.stringify(claims))),
    ],
  ]
}

function signOnly(kit: Kit, text: string): Buffer {
  return signerOf(kit.keys[kit.algorithm])(text)
}
