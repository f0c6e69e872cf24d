import type { Denial } from '@gatehouse/verify/protocol'
import { v7 as uuidv7 } from 'uuid'
import { createAccountRepository } from './features/administration/repository.js'
import { createAuditRepository } from './features/audit/repository.js'
import { createApiKeyRepository } from './features/api-keys/repository.js'
import { createAuthorizationRepository } from './features/authorization/repository.js'
import { createClientRepository } from './features/clients/repository.js'
import { createCodeRepository } from './features/codes/repository.js'
import type { Db, Pool } from './db/pool.js'
import { createDatabaseState } from './db/state.js'
import { lazily, type UnitOfWork } from './db/unit-of-work.js'
import { createDeviceCodeRepository } from './features/device-logins/repository.js'
import { createFactorRepository } from './features/factors/repository.js'
import type { FactorMode } from './features/factors/policy.js'
import { createInvitationRepository } from './features/invitations/repository.js'
import { createDenylistRepository } from './features/denylist/repository.js'
import { createPasskeyRepository } from './features/passkeys/repository.js'
import { createLoginNoticeRepository } from './features/login-notices/repository.js'
import { createOutboxRepository } from './features/messages/repository.js'
import { createRoleRepository } from './features/roles/repository.js'
import { createSeal } from './crypto/seal.js'
import { createSessionRepository } from './features/sessions/repository.js'
import { createSessionSql } from './features/sessions/session-sql.js'
import { createExportRepository } from './features/exports/repository.js'
import { createImportRepository } from './features/imports/repository.js'
import { createImportKeyRepository } from './features/passwords/import-key-repository.js'
import { createOldAppRepository } from './features/old-app/repository.js'
import { createIdentityRepository } from './features/identities/repository.js'
import { createKeyRepository } from './features/tokens/key-repository.js'
import { createCounterRepository } from './features/limits/repository.js'
import { createUploadRepository } from './features/uploads/repository.js'
import { userColumns } from './features/users/columns.js'
import { createUserRepository } from './features/users/repository.js'

type Options = {
  /** How long the tokens of an ended session stay on the denylist, in seconds. */
  denyFor: number
  /** How long a session lives without a refresh, in seconds. */
  idleTtl: number
  /** How long a spent refresh token still gets the current tokens, in seconds. */
  grace: number
  /** MFA. */
  mode?: FactorMode
  /** Seals the signing keys and the keys of imported passwords. */
  keysSecret: string
  /** The origin of the URLs of users' pictures. */
  publicUrl: string
  newId: () => string
  /** Called after a message was added to the outbox. */
  onMessage: () => void
  /** Called with new denials after their transaction was committed. */
  onDenied: (denials: Denial[]) => void
  /** Called with new denials if it is unknown whether their transaction was committed. */
  onDoubt: (denials: Denial[]) => void
}

type Hooks = Pick<Options, 'onMessage' | 'onDenied' | 'onDoubt'>

/** Every repository, on the pool or in one transaction. */
export function createStore(db: Pool, options: Options): UnitOfWork<Repositories> {
  const repositories = prepare(options)
  return {
    ...repositories(db, options),
    async transaction(work) {
      const messages: true[] = []
      const denials: Denial[] = []
      const committing: Denial[] = []
      const hooks = {
        onMessage: () => void messages.push(true),
        onDenied: (more: Denial[]) => void denials.push(...more),
        onDoubt: () => undefined, // the commit decides
      }
      try {
        const result = await db.transaction(async (on) => {
          const returned = await work(repositories(on, hooks))
          committing.push(...denials)
          return returned
        })
        options.onDenied(denials)
        if (messages.length > 0) options.onMessage()
        return result
      } catch (error) {
        options.onDoubt(committing)
        throw error
      }
    },
  }
}

/** The repositories of `gatehouse doctor`, which must also work when the services cannot start. */
export const doctorRepositories = (db: Pool) => ({
  state: createDatabaseState(db),
  outbox: createOutboxRepository(db, uuidv7, () => undefined),
  roles: createRoleRepository(db),
})

type Repositories = ReturnType<ReturnType<typeof prepare>>

export type Store = UnitOfWork<Repositories>

/** Creates what all transactions share: the seal, and the SQL that depends on the configuration. */
function prepare({
  denyFor,
  idleTtl,
  grace,
  mode = 'optional',
  keysSecret,
  publicUrl,
  newId,
}: Options) {
  const box = createSeal(keysSecret, 'signing keys')
  const importSeal = createSeal(keysSecret, 'import keys')
  const columns = userColumns(publicUrl)
  const sql = createSessionSql({ idleTtl, grace, mode })

  return (on: Db, { onMessage, onDenied, onDoubt }: Hooks) =>
    lazily({
      accounts: () => createAccountRepository(on, columns),
      apiKeys: () => createApiKeyRepository(on, onDenied),
      audit: () => createAuditRepository(on, newId),
      authorizations: () => createAuthorizationRepository(on),
      clients: () => createClientRepository(on),
      codes: () => createCodeRepository(on),
      counters: () => createCounterRepository(on),
      deviceCodes: () => createDeviceCodeRepository(on),
      denylist: () => createDenylistRepository(on, denyFor, onDenied),
      imports: () => createImportRepository(on),
      importKeys: () => createImportKeyRepository(on, importSeal),
      exports: () => createExportRepository(on),
      factors: () => createFactorRepository(on),
      identities: () => createIdentityRepository(on),
      invitations: () => createInvitationRepository(on),
      keys: () => createKeyRepository(on, box),
      loginNotices: () => createLoginNoticeRepository(on),
      oldApp: () => createOldAppRepository(on),
      passkeys: () => createPasskeyRepository(on),
      outbox: () => createOutboxRepository(on, newId, onMessage),
      roles: () => createRoleRepository(on),
      sessions: () => createSessionRepository(on, sql, { denyFor, onDenied, onDoubt }),
      uploads: () => createUploadRepository(on),
      users: () => createUserRepository(on, columns),
    })
}
