import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { AppError } from '../../errors.js'
import type { PasskeyChallenges } from './challenges.js'
import type { NewPasskey, StoredPasskey } from './repository.js'
import type { Assertion, NewCredential } from './schemas.js'
import { isOneCborItem, isOneDerSignature } from './whole.js'

/** EdDSA, ES256 and RS256, as COSE numbers: what authenticators have. The first is preferred. */
export const algorithms = [-8, -7, -257]

export type RelyingParty = {
  /** The host of PUBLIC_URL. */
  id: string
  /** PUBLIC_URL, and the related origins. */
  origins: string[]
}

/** The challenge that was answered. */
type Spendable = { id: string; expires_at: number }

type Made = Omit<NewPasskey, 'id' | 'user_id' | 'name'>

export type Answer = {
  challenge: Spendable
  sign_count: number
  backed_up: boolean
  /** Whether the authenticator has verified its user, by a PIN or a fingerprint. */
  isVerified: boolean
}

type Expected = { purpose: 'login' | 'register' | 'second'; scope?: string }

/**
 * Checks the answers of authenticators (WebAuthn §7). The library checks form, origin, RP id, flags and signature. It is
 * loaded at the first answer, because most processes never need it.
 */
export function createCeremonies(rp: RelyingParty, challenges: PasskeyChallenges) {
  const expected = { expectedOrigin: rp.origins, expectedRPID: rp.id }

  return {
    /** Checks a new passkey. @throws AppError `invalid_passkey` */
    readNew: (credential: NewCredential, { purpose, scope }: Expected) =>
      refusing(async (): Promise<{ challenge: Spendable; passkey: Made }> => {
        const { verifyRegistrationResponse } = await import('@simplewebauthn/server')
        const challenge = openChallenge(credential, purpose, scope)
        const { response } = credential
        await requireNoCertificate(response.attestationObject)
        const { transports = [] } = response
        const { verified, registrationInfo } = await verifyRegistrationResponse({
          ...expected,
          response: {
            ...credential,
            response: { ...response, transports: [] },
            clientExtensionResults: {},
          },
          expectedChallenge: () => true,
          requireUserVerification: false,
          supportedAlgorithmIDs: algorithms,
        })
        if (!verified) throw new Error('attestation does not verify')
        const {
          credential: made,
          aaguid,
          credentialDeviceType,
          credentialBackedUp,
        } = registrationInfo
        if (made.id !== credential.id) throw new Error('the ids of the credential differ')
        await requireKey(made.publicKey)
        const passkey = {
          credential_id: Buffer.from(made.id, 'base64url'),
          public_key: Buffer.from(made.publicKey),
          sign_count: made.counter,
          aaguid,
          transports: [...new Set(transports)],
          // Browsers that do not tell make a discoverable one if they can.
          is_discoverable: credential.clientExtensionResults?.credProps?.rk !== false,
          backup_eligible: credentialDeviceType === 'multiDevice',
          backed_up: credentialBackedUp,
        }
        return { challenge, passkey }
      }),

    /** Checks the answer of a passkey, but not its counter. @throws AppError `invalid_passkey` */
    readAnswer: (
      credential: Assertion,
      { public_key, backup_eligible }: StoredPasskey,
      { purpose, scope }: Expected,
    ) =>
      refusing(async (): Promise<Answer> => {
        const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
        const challenge = openChallenge(credential, purpose, scope)
        const { clientDataJSON, authenticatorData, signature } = credential.response
        const response = { clientDataJSON, authenticatorData, signature }
        await requireWholeSignature(signature, public_key)
        const { verified, authenticationInfo } = await verifyAuthenticationResponse({
          ...expected,
          response: { ...credential, response, clientExtensionResults: {} },
          expectedChallenge: () => true,
          // The database compares the counters, so that of two parallel answers one counts.
          credential: { id: credential.id, publicKey: new Uint8Array(public_key), counter: 0 },
          requireUserVerification: false,
        })
        if (!verified) throw new Error('signature does not verify')
        const { newCounter, userVerified, credentialDeviceType, credentialBackedUp } =
          authenticationInfo
        // WebAuthn §7.2, step 19: it never changes.
        if ((credentialDeviceType === 'multiDevice') !== backup_eligible) {
          throw new Error('backup eligibility has changed')
        }
        return {
          challenge,
          sign_count: newCounter,
          backed_up: credentialBackedUp,
          isVerified: userVerified,
        }
      }),
  }

  /** The sealed challenge in the client data, which the authenticator has signed. */
  function openChallenge(
    { response }: { response: { clientDataJSON: string } },
    purpose: Expected['purpose'],
    scope?: string,
  ): Spendable {
    const text = Buffer.from(response.clientDataJSON, 'base64url').toString('utf8')
    const { challenge, crossOrigin, topOrigin } = JSON.parse(text) as Record<string, unknown>
    // No page of another site frames ours.
    if (crossOrigin === true || topOrigin !== undefined) throw new Error('the answer is of a frame')
    const opened =
      typeof challenge === 'string' ? challenges.open(challenge, purpose, scope) : undefined
    if (!opened) throw new Error('the challenge is not valid')
    return opened
  }
}

export type Ceremonies = ReturnType<typeof createCeremonies>

/**
 * We ask for no attestation. The library would accept one by a certificate of anybody, and it may fetch the revocation list
 * that a certificate names.
 */
async function requireNoCertificate(attestationObject: string): Promise<void> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers')
  const bytes = Buffer.from(attestationObject, 'base64url')
  // The library reads the first item, and ignores what follows it.
  if (!isOneCborItem(bytes)) throw new Error('something follows the attestation')
  const decoded = decodeAttestationObject(new Uint8Array(bytes))
  const format = decoded.get('fmt')
  const hasCertificate = decoded.get('attStmt').get('x5c') !== undefined
  if (hasCertificate || (format !== 'none' && format !== 'packed')) {
    throw new Error('attestation is not wanted')
  }
}

/** Only ES256 signs in DER. The library reads one signature, and ignores what follows it. */
async function requireWholeSignature(signature: string, publicKey: Buffer): Promise<void> {
  const { decodeCredentialPublicKey } = await import('@simplewebauthn/server/helpers')
  const key = decodeCredentialPublicKey(new Uint8Array(publicKey)) as unknown as Map<
    number,
    unknown
  >
  const isWhole = isOneDerSignature(Buffer.from(signature, 'base64url'))
  if (key.get(3) === -7 && !isWhole) throw new Error('the signature is not one of DER')
}

/** The library reads the key only at a login. A broken one would never log in. */
async function requireKey(publicKey: Uint8Array<ArrayBuffer>): Promise<void> {
  const { decodeCredentialPublicKey } = await import('@simplewebauthn/server/helpers')
  const cose = decodeCredentialPublicKey(publicKey) as unknown as Map<number, unknown>
  const text = (label: number) => Buffer.from(cose.get(label) as Uint8Array).toString('base64url')
  // RFC 9053: key types and curves by algorithm.
  const jwks: Record<string, () => JsonWebKey> = {
    '-7 2 1': () => ({ kty: 'EC', crv: 'P-256', x: text(-2), y: text(-3) }),
    '-8 1 6': () => ({ kty: 'OKP', crv: 'Ed25519', x: text(-2) }),
    '-257 3': () => ({ kty: 'RSA', n: text(-1), e: text(-2) }),
  }
  const [algorithm, kind, curve] = [cose.get(3), cose.get(1), cose.get(-1)]
  const form = `${String(algorithm)} ${String(kind)}${kind === 3 ? '' : ` ${String(curve)}`}`
  const jwk = jwks[form]
  if (!jwk) throw new Error('the key is of another kind')
  const { asymmetricKeyDetails } = createPublicKey({ format: 'jwk', key: jwk() })
  if (kind === 3 && (asymmetricKeyDetails?.modulusLength ?? 0) < 2_048) {
    throw new Error('the key is too short')
  }
}

/** The work reads nothing but what a client sent: whatever fails is its fault. */
async function refusing<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    throw new AppError('invalid_passkey', { cause })
  }
}
