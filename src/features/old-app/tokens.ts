import { parseJws, parseObject } from '@gatehouse/verify/protocol'
import { createVerifier, type Algorithm } from 'fast-jwt'
import { readKeySet } from '../../crypto/key-set.js'
import { toUserName, type OldProof } from './proof.js'

export type OldTokenOptions = {
  algorithm: Algorithm
  /** The secret, or public keys as a JSON Web Key Set. */
  secret?: string | undefined
  keys?: string | undefined
  issuer?: string | undefined
  /** The claim `type`; with `none` a token must not have it. */
  type: string
  /** The claim that names the user. */
  claim: string
}

/** Clocks of the old app may be ahead by this, in seconds. */
const leeway = 60

/** Reads JWTs of the old app. Returns undefined for every other text: its signature, or a claim, is not as agreed. */
export function createOldTokens(options: OldTokenOptions) {
  const verifierOf = createVerifiers(options)

  return function read(token: string, now: number): OldProof | undefined {
    const jws = parseJws(token)
    if (jws?.header.alg !== options.algorithm) return undefined
    if (!isSigned(token, verifierOf(jws.header.kid))) return undefined
    const claims = parseObject(jws.payload)
    const user = toUserName(claims?.[options.claim])
    if (!claims || user === undefined || !areFine(claims, options, now / 1_000)) return undefined
    return { signed: jws.signed.toString(), user, signed_at: Number(claims.iat) * 1_000 }
  }
}

/** The library throws for every fault of a token. */
function isSigned(token: string, verify: ((token: string) => unknown) | undefined): boolean {
  try {
    return verify?.(token) !== undefined
  } catch {
    return false
  }
}

/** A token without an end is none: nothing says that the old app would still accept it. */
function areFine(
  { iss, type, iat, exp, nbf = 0 }: Record<string, unknown>,
  options: OldTokenOptions,
  now: number,
): boolean {
  const times = [iat, exp, nbf]
  return (
    times.every(Number.isFinite) &&
    Number(iat) <= now + leeway &&
    Number(nbf) <= now + leeway &&
    Number(exp) > now &&
    (options.issuer === undefined || iss === options.issuer) &&
    (options.type === 'none' ? type === undefined : type === options.type)
  )
}

/** The verifier of a key id. Without a key id a token can be of the only key alone. */
function createVerifiers({ algorithm, secret, keys }: OldTokenOptions) {
  const checks = { algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true }
  const verifierFor = (key: string) => createVerifier({ ...checks, key, cache: false })
  if (keys === undefined) {
    const verifier = verifierFor(secret ?? '')
    return () => verifier
  }
  const set = readKeySet(keys) ?? []
  const verifiers = new Map(set.map(({ kid, pem }) => [kid, verifierFor(pem)]))
  return (kid: unknown) => {
    const [only, another] = verifiers.values()
    return kid === undefined && another === undefined ? only : verifiers.get(kid)
  }
}
