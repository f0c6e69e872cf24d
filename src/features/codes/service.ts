import type { Caller } from '../../http/caller.js'
import { AppError, invalidField } from '../../errors.js'
import {
  addressKinds,
  faultsOfNone,
  readIdentifier,
  type Identifier,
} from '../identifiers/identifiers.js'
import type { AuditRepository } from '../audit/repository.js'
import { askerOf, type Asker } from './asker.js'
import type { CodeRepository, GuessedCode, OneTimeCode, Purpose } from './repository.js'
import type { CodePair, CodeSecrets } from './secrets.js'
import type { ProofBody } from './schemas.js'

/** The repository that stores a new code. */
export type CodeStore = { codes: Pick<CodeRepository, 'put'> }

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

type CodeRequest = {
  user_id: string
  purpose: Purpose
  identifier: Identifier
  link_ttl?: number
  asker?: Asker | null
}

/** Makes and verifies one-time codes. Each has a link and eight digits. */
export function createCodeService({ store, secrets, newId }: Dependencies) {
  return {
    /** Makes the secrets to send. Earlier secrets for the same purpose become invalid. */
    async make(
      tx: CodeStore,
      { user_id, purpose, identifier, link_ttl, asker = null }: CodeRequest,
    ): Promise<CodePair> {
      const { kind, text, canonical } = identifier
      if (kind === 'username') throw new Error('no message can be sent to a username')
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
     * Finds the code of a link or of typed digits, without using it up. The caller must redeem it in the
     * transaction of its effect (store.codes.redeem). A wrong code is audited.
     * @throws AppError `invalid_code`, `validation_failed`
     */
    async verify(purposes: Purpose[], proof: ProofBody, caller: Caller): Promise<OneTimeCode> {
      const found = await findCode(purposes, proof, caller)
      if (found?.is_right) return found
      const event = 'code.refused'
      const detail = { purpose: purposes[0] ?? '' }
      await store.audit.add({ event, caller, user_id: found?.user_id ?? null, detail })
      throw new AppError('invalid_code')
    },

    /** The address to which a link was sent, while the link is valid. Does not use the link up. */
    async findAddress(purposes: Purpose[], token: string): Promise<string | undefined> {
      const found = await store.codes.findByLink(purposes, secrets.hashLink(token))
      return found?.address
    },
  }

  async function findCode(
    purposes: Purpose[],
    { token, code, ...addresses }: ProofBody,
    caller: Caller,
  ): Promise<GuessedCode | undefined> {
    const kinds = addressKinds.filter((kind) => addresses[kind] !== undefined)
    if (token !== undefined) {
      if (code !== undefined || kinds.length > 0)
        throw invalidField('token', 'must be sent without an address and a code')
      const found = await store.codes.findByLink(purposes, secrets.hashLink(token))
      return found && { ...found, is_right: true }
    }
    const [kind, second] = kinds
    if (code === undefined || kind === undefined) {
      const needsCode = { field: 'code', message: 'is required if no token is given' }
      const faults = code === undefined ? [needsCode] : []
      const fields = [...faults, ...faultsOfNone(addressKinds, addresses)]
      throw new AppError('validation_failed', { fields })
    }
    if (second !== undefined) throw invalidField(second, 'must not be given with another address')
    const { canonical } = readIdentifier(kind, addresses[kind] ?? '')
    const hash = secrets.hashCode(code, canonical)
    return store.codes.guess(purposes, { kind, canonical }, hash, askerOf(caller))
  }
}

export type CodeService = ReturnType<typeof createCodeService>
