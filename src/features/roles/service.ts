import type { Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { RoleRepository } from './repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { DenylistRepository } from '../denylist/repository.js'
import type { UserRepository } from '../users/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { Role } from './schemas.js'

/** The repositories that grantIn() uses. */
export type RoleGrant = {
  audit: Pick<AuditRepository, 'add'>
  denylist: Pick<DenylistRepository, 'raiseEpochs'>
  roles: Pick<RoleRepository, 'grant' | 'lockShared'>
  users: Pick<UserRepository, 'lock'>
}

type Repositories = RoleGrant & {
  denylist: Pick<DenylistRepository, 'reportClientEpochs'>
  roles: RoleRepository
}

type Dependencies = { store: UnitOfWork<Repositories> }

const builtIn = ['admin', 'user']

/** Roles of users and clients. A change makes the access tokens of the affected users and clients stale. */
export function createRoleService({ store }: Dependencies) {
  return {
    list: (): Promise<Role[]> => store.roles.list(),

    /** @throws AppError `role_taken` */
    async create(caller: Caller, name: string): Promise<Role> {
      return store.transaction(async (tx) => {
        const role = await tx.roles.create(name)
        await tx.audit.add({ event: 'role.created', caller, detail: { role: name } })
        return role
      })
    },

    /** Deletes a role and revokes it from all users and clients. @throws AppError `not_found`, `built_in_role` */
    async delete(caller: Caller, name: string): Promise<void> {
      if (builtIn.includes(name)) throw new AppError('built_in_role')
      await store.transaction(async (tx) => {
        const holders = await tx.roles.delete(name)
        if (!holders) throw new AppError('not_found')
        await tx.denylist.raiseEpochs(holders.users)
        await tx.denylist.reportClientEpochs(holders.clients)
        const detail = { role: name, users: holders.users.length }
        await tx.audit.add({ event: 'role.deleted', caller, detail })
      })
    },

    /** @throws AppError `not_found` if there is no such user or role */
    async grant(caller: Caller, userId: string, name: string): Promise<void> {
      await store.transaction((tx) => grantIn(tx, caller, userId, name))
    },

    grantIn,

    /** @throws AppError `not_found` if the user does not have the role, `last_admin` */
    async revoke(caller: Caller, user_id: string, name: string): Promise<void> {
      await store.transaction((tx) =>
        tx.roles.keepingAnAdmin(async () => {
          await tx.users.lock(user_id)
          if (!(await tx.roles.revoke(user_id, name))) throw new AppError('not_found')
          await tx.denylist.raiseEpochs([user_id])
          const detail = { role: name }
          await tx.audit.add({ event: 'role.revoked', caller, user_id, detail })
        }),
      )
    },
  }

  /** grant() inside the caller's transaction. */
  async function grantIn(
    tx: RoleGrant,
    caller: Caller,
    user_id: string,
    name: string,
  ): Promise<void> {
    if (!(await tx.roles.lockShared(name))) throw new AppError('not_found')
    await tx.users.lock(user_id)
    if (!(await tx.roles.grant(user_id, name))) return
    await tx.denylist.raiseEpochs([user_id])
    const detail = { role: name }
    await tx.audit.add({ event: 'role.granted', caller, user_id, detail })
  }
}

export type RoleService = ReturnType<typeof createRoleService>
