import { AppError, type FieldError } from '../../errors.js'
import { readIdentifier, type Identifier } from '../identifiers/identifiers.js'

type Options = {
  /** REGISTRATION. */
  mode: 'open' | 'invite' | 'closed'
  /** REGISTRATION_DOMAINS. Empty: every domain. */
  domains: string[]
}

/** Decides who may create an account, and which e-mail addresses users may have. */
export function createAdmission({ mode, domains }: Options) {
  const accepted = new Set(
    domains.map((domain) => domainOf(readIdentifier('email', `x@${domain}`))),
  )
  const isRestricted = accepted.size > 0

  return {
    isOpen: mode === 'open',

    /** Whether addresses must be of certain domains. */
    isRestricted,

    isClosed: mode === 'closed',

    /** @throws AppError `registration_closed`, or `invitation_required` without an invitation */
    requireAdmitted(hasInvitation: boolean): void {
      if (mode === 'closed') throw new AppError('registration_closed')
      if (mode === 'invite' && !hasInvitation) throw new AppError('invitation_required')
    },

    accepts,

    /** @throws AppError `domain_not_allowed` for an e-mail address of another domain */
    requireAccepted(identifiers: Identifier[]): void {
      if (identifiers.every(accepts)) return
      const fields = [{ field: 'email', message: 'must be of an accepted domain' }]
      throw new AppError('domain_not_allowed', { fields })
    },

    /**
     * The faults of the identifiers of a new account. If domains are restricted, it needs an e-mail address, and
     * nothing else may activate it: a mobile number can be added later.
     */
    faultsOf(identifiers: Identifier[]): FieldError[] {
      if (!isRestricted) return []
      const has = (kind: Identifier['kind']) => identifiers.some((one) => one.kind === kind)
      return [
        ...(has('email') ? [] : [{ field: 'email', message: 'is required' }]),
        ...(has('mobile')
          ? [{ field: 'mobile', message: 'can be added after the activation' }]
          : []),
      ]
    },
  }

  /** Compares the domain exactly, by its A-labels (RFC 5890). Only e-mail addresses have one. */
  function accepts(identifier: Identifier): boolean {
    return !isRestricted || identifier.kind !== 'email' || accepted.has(domainOf(identifier))
  }
}

export type Admission = ReturnType<typeof createAdmission>

const domainOf = ({ canonical }: Identifier) => canonical.slice(canonical.lastIndexOf('@') + 1)
