import { createJwsVerifier, isCompact, parseJws, type Algorithm } from '@gatehouse/verify/protocol'
import { createSecretKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import { alphabet } from '../support/forgeries/spellings.js'
import { rfcPayload, vectors } from '../support/jws-vectors.js'

t.test('the examples of the RFC verify, each by its own algorithm alone', async (t) => {
  for (const { name, algorithm, key, header, signature } of vectors) {
    const jws = parseJws(`${header}.${rfcPayload}.${signature}`)!
    const claims = { iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true }
    t.same(createJwsVerifier(key, algorithm)(jws), claims, name)
    for (const other of vectors.filter((vector) => vector.algorithm !== algorithm)) {
      t.equal(createJwsVerifier(other.key, other.algorithm)(jws), undefined, name)
      t.throws(() => createJwsVerifier(key, other.algorithm), TypeError)
    }
  }
})

const secret = createSecretKey(randomBytes(32))
const pairs: Record<Algorithm, { publicKey: KeyObject; privateKey: KeyObject }> = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  HS256: { publicKey: secret, privateKey: secret },
}
const sign = (alg: Algorithm) =>
  new SignJWT({ sub: 'ada', text: 'é' })
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: 'key' })
    .sign(pairs[alg].privateKey)

for (const algorithm of Object.keys(pairs) as Algorithm[]) {
  const verify = createJwsVerifier(pairs[algorithm].publicKey, algorithm)
  const read = (token: string) => {
    const jws = parseJws(token)
    return jws && verify(jws)
  }

  t.test(`${algorithm}: no token that differs in one character verifies`, async (t) => {
    const token = await sign(algorithm)
    t.same(read(token), { sub: 'ada', text: 'é' })
    const wrong: string[] = []
    for (let at = 0; at < token.length; at += 1) {
      const [before, own = '', after] = [token.slice(0, at), token[at], token.slice(at + 1)]
      const index = alphabet.indexOf(own)
      const near = [1, 2, 32].map((step) => alphabet[(index + step) % 64] ?? '')
      // Node's decoder skips all of these but the last, which it reads by its low byte.
      const odd = ['', ' ', '\n', '\r', '\t', '\0', '=', '+', '/', '.', '\u00a0', '\u2028']
      const wide = String.fromCharCode(own.charCodeAt(0) + 256)
      for (const character of [...near, ...odd, wide]) {
        const changed = before + character + after
        if (changed !== token && read(changed)) wrong.push(`${at}: ${JSON.stringify(character)}`)
      }
      for (const character of odd.filter((text) => text !== '')) {
        if (read(before + character + own + after)) wrong.push(`${at}: one more`)
      }
    }
    t.same(wrong, [])
    for (const text of [`${token}\n`, `\n${token}`, `${token} `, ` ${token}`, `\ufeff${token}`]) {
      t.equal(read(text), undefined, JSON.stringify(text.slice(0, 2)))
    }
  })

  t.test(`${algorithm}: no signature of any length verifies by its length`, async (t) => {
    const jws = parseJws(await sign(algorithm))!
    const { signature } = jws
    const wrong: string[] = []
    for (let length = 0; length < 2 * signature.length + 2; length += 1) {
      const longer = Buffer.concat([signature, signature, signature]).subarray(0, length)
      const padded = Buffer.concat([
        Buffer.alloc(Math.max(0, length - signature.length)),
        signature,
      ])
      const kinds = [Buffer.alloc(length), Buffer.alloc(length, 0xff), randomBytes(length)]
      for (const other of [...kinds, longer, padded.subarray(0, length)]) {
        if (!other.equals(signature) && verify({ ...jws, signature: other }))
          wrong.push(`${length}`)
      }
    }
    t.same(wrong, [])
  })
}

t.test('a key of another type or size is no key of the algorithm', async (t) => {
  const pem = pairs.RS256.publicKey.export({ type: 'spki', format: 'pem' })
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 })
  const keys: Record<string, KeyObject> = {
    ...Object.fromEntries(Object.entries(pairs).map(([name, { publicKey }]) => [name, publicKey])),
    'a private key': pairs.ES256.privateKey,
    'a public PEM as a secret': createSecretKey(Buffer.from(pem)),
    'a secret of 31 bytes': createSecretKey(randomBytes(31)),
    'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey,
    secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    Ed448: generateKeyPairSync('ed448').publicKey,
    X25519: generateKeyPairSync('x25519').publicKey,
    'RSA of 1,024 bits': generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey,
    'RSA-PSS': pss.publicKey,
  }
  for (const algorithm of Object.keys(pairs) as Algorithm[]) {
    for (const [name, key] of Object.entries(keys)) {
      const isOwn = name === algorithm
      // A secret has no type: only the caller of HS256 knows what its bytes are.
      if (isOwn || (algorithm === 'HS256' && name === 'a public PEM as a secret')) continue
      t.throws(() => createJwsVerifier(key, algorithm), TypeError, `${algorithm}: ${name}`)
    }
  }
})

t.test('a text that is too long is refused before any work', async (t) => {
  const textOf = (length: number) => {
    const toString = () => {
      throw new Error('it was read')
    }
    return { length, toString } as unknown as string
  }
  const long = textOf(8_193)
  t.equal(parseJws(long), undefined)
  t.equal(isCompact(long), false)
  t.throws(() => parseJws(textOf(8_192)), /it was read/)
})

t.test('a token has three parts, none of them empty', async (t) => {
  const token = await sign('HS256')
  const [header = '', payload = '', signature = ''] = token.split('.')
  t.ok(isCompact(token))
  for (const parts of [
    [header, payload],
    [header, payload, ''],
    [header, '', signature],
    ['', payload, signature],
    ['', header, payload, signature],
    [header, payload, signature, ''],
    [header, payload, signature, signature],
    [header, payload, signature, payload, signature],
  ]) {
    const text = parts.join('.')
    t.equal(parseJws(text), undefined)
    t.equal(isCompact(text), false)
  }
})

t.test('header and payload are JSON objects', async (t) => {
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  const verify = createJwsVerifier(secret, 'HS256')
  const { signed, signature } = parseJws(await sign('HS256'))!
  for (const text of ['null', '[]', '[{}]', '"{}"', '1', 'true', '', '{', '{}x', '\ufeff{}']) {
    t.equal(parseJws(`${encode(text)}.${encode('{}')}.AAAA`), undefined, `header: ${text}`)
    const payload = Buffer.from(text)
    t.equal(verify({ header: {}, payload, signed, signature }), undefined, `payload: ${text}`)
  }
  t.same(parseJws(`${encode('{}')}.${encode('x')}.AAAA`)?.header, {})
})
