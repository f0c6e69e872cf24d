import type { Caller } from '../../http/caller.js'
import { AppError, invalidField } from '../../errors.js'
import { addressKinds, readIdentifier, type Identifier } from '../identifiers/identifiers.js'
import type { AuditRepository } from '../audit/repository.js'
import { askerOf, type Asker } from './asker.js'
import type { CodeRepository, Guessed, OneTimeCode, Purpose } from './repository.js'
import type { CodePair, CodeSecrets } from './secrets.js'
import type { ProofBody } from './schemas.js'

/** What making a code uses. */
export type CodeMaking = { codes: Pick<CodeRepository, 'put'> }

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  codes: Pick<CodeRepository, 'findByLink' | 'guess'>
}

type Dependencies = { store: Repositories; secrets: CodeSecrets; newId: () => string }

// In seconds. Typed codes: 10 minutes (NIST SP 800-63B-4 §3.1.3, ASVS 6.5.5).
const codeTtl = 600
const linkTtl: Record<Purpose, number> = {
  activation: 86_400,
  password_reset: 3_600,
  email_change: 3_600,
  mobile_change: 3_600,
  address_claim: 3_600,
}

type Addressee = {
  user_id: string
  purpose: Purpose
  identifier: Identifier
  link_ttl?: number
  asker?: Asker | null
}

/** One-time codes: a link and eight digits that stand for the same thing. */
export function createCodeService({ store, secrets, newId }: Dependencies) {
  return {
    /** Makes the secrets to send; those sent before for the same purpose are dead. */
    async make(
      tx: CodeMaking,
      { user_id, purpose, identifier, link_ttl, asker = null }: Addressee,
    ): Promise<CodePair> {
      const { kind, text, canonical } = identifier
      if (kind === 'username') throw new Error('a username is not an address')
      const { link, code, ...hashes } = secrets.make(canonical)
      await tx.codes.put({
        id: newId(),
        user_id,
        purpose,
        kind,
        address: text,
        address_canonical: canonical,
        code_ttl: codeTtl,
        link_ttl: link_ttl ?? linkTtl[purpose],
        asker,
        ...hashes,
      })
      return { link, code }
    },

    /**
     * What a link or a typed code stands for. It is not used up: who acts on it redeems it in the same
     * transaction (store.codes.redeem), and only one can. A wrong one is written to the audit log.
     * @throws AppError `invalid_code`, `validation_failed`
     */
    async prove(purposes: Purpose[], proof: ProofBody, caller: Caller): Promise<OneTimeCode> {
      const found = await find(purposes, proof, caller)
      if (found?.is_right) return found
      const event = 'code.refused'
      const detail = { purpose: purposes[0] ?? '' }
      await store.audit.add({ event, caller, user_id: found?.user_id ?? null, detail })
      throw new AppError('invalid_code')
    },
  }

  async function find(
    purposes: Purpose[],
    { token, code, ...addresses }: ProofBody,
    caller: Caller,
  ): Promise<Guessed | undefined> {
    const kinds = addressKinds.filter((kind) => addresses[kind] !== undefined)
    if (token !== undefined) {
      if (code !== undefined || kinds.length > 0) throw invalidField('token', 'must stand alone')
      const found = await store.codes.findByLink(purposes, secrets.hashLink(token))
      return found && { ...found, is_right: true }
    }
    const [kind, second] = kinds
    if (code === undefined) throw invalidField('code', 'is required, or a token')
    if (kind === undefined) throw invalidField('email', 'is required, or a mobile number')
    if (second !== undefined) throw invalidField(second, 'is one address too many')
    const { canonical } = readIdentifier(kind, addresses[kind] ?? '')
    const hash = secrets.hashCode(code, canonical)
    return store.codes.guess(purposes, { kind, canonical }, hash, askerOf(caller))
  }
}

export type CodeService = ReturnType<typeof createCodeService>
