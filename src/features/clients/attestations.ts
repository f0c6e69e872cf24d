import { verify } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { Clock } from '../../concurrency/clock.js'
import { AppError } from '../../errors.js'
import type { FindSite } from './known-sites.js'

/** Only a request with this header is attested. */
export const visitorHeader = 'gatehouse-visitor'

export type AttestedRequest = { method: string; target: string; headers: IncomingHttpHeaders }

/** What a site says of its visitor. `digest` is the SHA-256 of the body, in base64. */
export type Attestation = { site: string; address: string; digest: string }

type Dependencies = {
  findSite: FindSite
  clock: Pick<Clock, 'now' | 'monotonic'>
  /** How many nonces of one site are remembered for 40 seconds. */
  maxNonces?: number
}

// In milliseconds. The clock of a site may be a little ahead.
const maxAge = 30_000
const maxAhead = 5_000
const nonceLife = maxAge + maxAhead + 5_000

const components = `("@method" "@request-target" "content-digest" "user-agent" "${visitorHeader}")`
const inputForm = new RegExp(
  `^site=(${components.replaceAll(/[()]/g, '\\$&')};created=(\\d{10});nonce="([\\w-]{22})";keyid="([a-z][a-z0-9._-]{0,62})";alg="ed25519")$`,
)
const signatureForm = /^site=:([A-Za-z0-9+/]{86}==):$/
const digestForm = /^sha-256=:([A-Za-z0-9+/]{43}=):$/

/**
 * Verifies what sites attest of their visitors: HTTP Message Signatures (RFC 9421) of one fixed form, with the
 * Content-Digest of RFC 9530. Each works once on each instance.
 */
export function createAttestations({ findSite, clock, maxNonces = 50_000 }: Dependencies) {
  const isFirstUse = createNonces(clock, maxNonces)

  /** @throws AppError `invalid_attestation`, `overloaded`, `unavailable` */
  return async function verifyAttestation(request: AttestedRequest): Promise<Attestation> {
    const { headers } = request
    const [, params = '', created = '', nonce = '', name = ''] =
      inputForm.exec(textOf(headers['signature-input'])) ?? []
    const [, signature = ''] = signatureForm.exec(textOf(headers.signature)) ?? []
    const [, digest = ''] = digestForm.exec(textOf(headers['content-digest'])) ?? []
    const address = textOf(headers[visitorHeader])
    const isWellFormed = params !== '' && signature !== '' && digest !== ''
    if (!isWellFormed || !isAddress(address) || !isCurrent(created)) throw invalid()
    const site = await findSite(name)
    const base = Buffer.from(baseOf(request, params), 'latin1')
    if (!site || !verify(null, base, site.key, Buffer.from(signature, 'base64'))) throw invalid()
    if (!isFirstUse(site.id, nonce)) throw invalid()
    return { site: name, address, digest }
  }

  function isCurrent(created: string): boolean {
    const age = clock.now() - Number(created) * 1_000
    return age <= maxAge && age >= -maxAhead
  }
}

export type VerifyAttestation = ReturnType<typeof createAttestations>

export const invalid = () => new AppError('invalid_attestation')

const textOf = (header: string | string[] | undefined) => (typeof header === 'string' ? header : '')

const isAddress = (text: string) => isIP(text) !== 0 && !text.includes('%')

/** The signature base (RFC 9421 §2.5). */
function baseOf({ method, target, headers }: AttestedRequest, params: string): string {
  return [
    `"@method": ${method}`,
    `"@request-target": ${target}`,
    `"content-digest": ${textOf(headers['content-digest'])}`,
    `"user-agent": ${headers['user-agent'] ?? ''}`,
    `"${visitorHeader}": ${textOf(headers[visitorHeader])}`,
    `"@signature-params": ${params}`,
  ].join('\n')
}

/** Remembers nonces for at least their life, in two generations. Only nonces of genuine signatures come here. */
function createNonces(clock: Pick<Clock, 'monotonic'>, max: number) {
  const sites = new Map<string, { young: Set<string>; old: Set<string>; since: number }>()

  /** @throws AppError `overloaded` if the site sent too many to remember */
  return function isFirstUse(site: string, nonce: string): boolean {
    const now = clock.monotonic()
    const last = sites.get(site) ?? { young: new Set(), old: new Set(), since: now }
    const isOver = now - last.since >= nonceLife
    const used = isOver ? { young: new Set<string>(), old: last.young, since: now } : last
    sites.set(site, used)
    if (used.young.has(nonce) || used.old.has(nonce)) return false
    if (used.young.size >= max) throw new AppError('overloaded')
    used.young.add(nonce)
    return true
  }
}
