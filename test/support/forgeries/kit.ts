import type { AccessClaims, Algorithm } from '@gatehouse/verify/protocol'
import { createHmac, createPrivateKey, createPublicKey, randomUUID, sign } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import type { KeyPair } from '../../../src/features/tokens/key-pair.js'
import type { RawRequest } from '../http/connection.js'

/** What a request is answered with; without one it is the answer to every bad token. */
export type Verdict =
  'invalid_token' | 'cookies_removed' | 'token_stale' | 'bad_request' | 'headers_too_large'

/** A token to send as it should be sent, or a request to send as it is. */
export type Case = readonly [name: string, sent: string | RawRequest, verdict?: Verdict]

export type Part = string | Buffer | object
export type Sign = (input: string) => Buffer

/** Everything that forgers have, and the keys that they do not. */
export type Kit = {
  algorithm: Algorithm
  /** The keys in the database, one of each algorithm; the service signs with the first kind. */
  keys: Record<Algorithm, KeyPair>
  /** A key of the same kind that the service never saw. */
  stranger: KeyPair
  /** Header and claims of the good token: a forgery that copies them only lacks the signature. */
  header: { alg: string; typ: string; kid: string }
  claims: AccessClaims
  good: string
  refresh: string
  /** The service's clock, which stands still, and its lifetime of an access token; in seconds. */
  now: number
  ttl: number
  /** Where a key set of the stranger waits to be fetched. */
  canary: string
}

export function encode(part: Part): string {
  const bytes = typeof part === 'string' || Buffer.isBuffer(part) ? part : JSON.stringify(part)
  return Buffer.from(bytes as string).toString('base64url')
}

/** One compact JWS, whatever its parts are. */
export function jws(header: Part, payload: Part, signer: Sign): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signer(input).toString('base64url')}`
}

/** The signature that a key's own algorithm makes. */
export function signerOf({ algorithm, private_key }: KeyPair): Sign {
  if (algorithm === 'HS256') return hmac(private_key)
  const key = createPrivateKey(private_key)
  if (algorithm === 'EdDSA') return (input) => sign(null, Buffer.from(input), key)
  return (input) => sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
}

export const hmac =
  (secret: string | Buffer, hash = 'sha256'): Sign =>
  (input) =>
    createHmac(hash, secret).update(input).digest()

/** Signs with the service's own key, whatever it is asked to. */
export function genuine({ algorithm, keys, header, claims }: Kit) {
  const signer = signerOf(keys[algorithm])
  return (changed: { header?: Part; payload?: Part }) =>
    jws(changed.header ?? header, changed.payload ?? claims, signer)
}

/** A genuine token whose signature is as the caller wants it. */
export function genuineUntil(kit: Kit, isWanted: (signature: string) => boolean): string[] {
  const issue = genuine(kit)
  for (;;) {
    const parts = issue({ payload: { ...kit.claims, jti: randomUUID() } }).split('.')
    if (isWanted(parts[2] ?? '')) return parts
  }
}

/** An object's JSON with one member's value replaced by any text, or left out. */
export function spell(object: object, name: string, text: string | undefined): string {
  const others = Object.entries(object).filter(([key]) => key !== name)
  const members = others.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`)
  return `{${members.join(',')}}`
}

export function publicKeyOf({ private_key }: KeyPair): KeyObject {
  return createPublicKey(createPrivateKey(private_key))
}

export const jwkOf = (key: KeyPair): JsonWebKey => publicKeyOf(key).export({ format: 'jwk' })

/** The asymmetric key whose public half an attacker of this service can fetch. */
export function publishedKey({ algorithm, keys }: Kit): KeyPair {
  return keys[algorithm === 'HS256' ? 'ES256' : algorithm]
}
