import type { Caller } from '../../http/caller.js'
import { cursorOf, readPage } from '../../http/lists.js'
import { AppError, invalidField, taken } from '../../errors.js'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { Admission } from '../admission/service.js'
import type { AuditRepository } from '../audit/repository.js'
import { addressKinds, readIdentifier, type Address } from '../identifiers/identifiers.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { RoleRepository } from '../roles/repository.js'
import type { UserRepository } from '../users/repository.js'
import type { InvitationRepository, UsableInvitation } from './repository.js'
import type { Invitation, InvitationBody } from './schemas.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  invitations: InvitationRepository
  outbox: Pick<OutboxRepository, 'put'>
  roles: Pick<RoleRepository, 'lockShared'>
  users: Pick<UserRepository, 'findHolders'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  admission: Admission
  newId: () => string
  publicUrl: string
}

/** The repositories of redeem(). */
export type InvitationUse = { invitations: Pick<InvitationRepository, 'redeem'> }

const week = 604_800

/** Lets administrators invite people to register. Each change is written to the audit log. */
export function createInvitationService({ store, admission, newId, publicUrl }: Dependencies) {
  return {
    /**
     * Invites the owner of an address, by a message or by a link for the caller to hand over. With `open`, anyone
     * who has the link.
     * @throws AppError `validation_failed`, `registration_closed`, `domain_not_allowed`, `not_found` for a role,
     *   `email_taken`, `mobile_taken`
     */
    async create(
      caller: Caller,
      body: InvitationBody,
    ): Promise<{ invitation: Invitation; link?: string }> {
      admission.requireAdmitted(true)
      const address = readAddress(body)
      if (address) admission.requireAccepted([address])
      const { send = address !== undefined, expires_in: ttl = week } = body
      if (send && !address) throw invalidField('send', 'needs an address')
      if (address?.kind === 'mobile' && admission.isRestricted)
        throw invalidField('mobile', 'must be left out: accounts need an e-mail address')
      const roles = [...new Set(body.roles)].sort()
      const token = send ? undefined : newSecret()
      const invitation = await store.transaction(async (tx) => {
        for (const name of roles)
          if (!(await tx.roles.lockShared(name))) throw new AppError('not_found')
        if (address) await requireFree(tx, address)
        const token_hash = token === undefined ? undefined : hashSecret(token)
        const what = { id: newId(), token_hash, address, is_proof: send, roles, ttl }
        const created = await tx.invitations.create({ ...what, ...inviterOf(caller) })
        if (send && address) {
          const { kind, text } = address
          const message = 'registration_invitation'
          await tx.outbox.put({ message, kind, address: text, invitation_id: created.id })
        }
        const detail = { invitation: created.id, open: !address, roles: roles.join(' ') }
        await tx.audit.add({ event: 'invitation.created', caller, detail })
        return created
      })
      return token === undefined ? { invitation } : { invitation, link: linkOf(token) }
    },

    async list(query: {
      limit?: string
      cursor?: string
    }): Promise<{ invitations: Invitation[]; next: string | null }> {
      const { rows, end } = await store.invitations.list(readPage({}, query))
      return { invitations: rows, next: cursorOf(undefined, end) }
    },

    /** Its link, and its message if that is not sent yet, become invalid. @throws AppError `not_found` */
    async revoke(caller: Caller, id: string): Promise<void> {
      await store.transaction(async (tx) => {
        if (!(await tx.invitations.delete(id))) throw new AppError('not_found')
        const detail = { invitation: id }
        await tx.audit.add({ event: 'invitation.revoked', caller, detail })
      })
    },

    /**
     * Finds the invitation of a token without using it up; undefined without a token.
     * @throws AppError `registration_closed`, `invitation_required`, `invalid_invitation`
     */
    async admit(token: string | undefined): Promise<UsableInvitation | undefined> {
      admission.requireAdmitted(token !== undefined)
      if (token === undefined) return undefined
      const found = await store.invitations.find(hashSecret(token))
      if (!found) throw new AppError('invalid_invitation')
      return found
    },

    /** Uses an invitation up. @throws AppError `invalid_invitation` */
    async redeem(tx: InvitationUse, token: string): Promise<UsableInvitation> {
      const redeemed = await tx.invitations.redeem(hashSecret(token))
      if (!redeemed) throw new AppError('invalid_invitation')
      return redeemed
    },
  }

  function linkOf(token: string): string {
    return `${publicUrl}/register?invitation=${token}`
  }
}

export type InvitationService = ReturnType<typeof createInvitationService>

/** For the token of a client, both ids are the client's. */
function inviterOf({ user_id, session_id }: Caller) {
  const isClient = user_id !== null && user_id === session_id
  return isClient
    ? { inviter_id: null, client_id: user_id }
    : { inviter_id: user_id, client_id: null }
}

/** The invited address; undefined for an open invitation. @throws AppError `validation_failed` */
function readAddress(body: InvitationBody): Address | undefined {
  const [kind, second] = addressKinds.filter((name) => body[name] !== undefined)
  if (second !== undefined) throw invalidField(second, 'must not be given with another address')
  if (kind !== undefined && body.open)
    throw invalidField('open', 'must not be given with an address')
  if (kind !== undefined) return { ...readIdentifier(kind, body[kind] ?? ''), kind }
  if (body.open) return undefined
  throw invalidField('email', 'is required unless a mobile number or open is given')
}

/** An account that has confirmed the address gets nothing from an invitation. */
async function requireFree(tx: Repositories, address: Address): Promise<void> {
  const [holder] = await tx.users.findHolders([address])
  if (holder?.verified) throw taken(address.kind)
}
