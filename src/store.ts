import { createAccountRepository } from './administration/repository.js'
import { createAuditRepository } from './audit/repository.js'
import { createClientRepository } from './clients/repository.js'
import { createCodeRepository } from './codes/repository.js'
import type { Db, Pool } from './db/pool.js'
import { createOutboxRepository } from './mail/repository.js'
import { createRoleRepository } from './roles/repository.js'
import { createSessionRepository } from './sessions/repository.js'
import { createDenylistRepository } from './tokens/denylist-repository.js'
import { createUploadRepository } from './uploads/repository.js'
import { createUserRepository } from './users/repository.js'

type Options = {
  /** How long the tokens of an ended session are denied, in seconds. */
  denyFor: number
  /** Under which the pictures of users are served. */
  publicUrl: string
  /** Called when something was put in the outbox. */
  onMessage: () => void
}

/** Every repository, on the pool; and all of them again in one transaction. */
export function createStore(db: Pool, options: Options) {
  return {
    ...repositories(db, options),
    /** Runs `work` in one transaction; rolls back and rethrows what it throws. */
    async transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
      const messages: true[] = []
      const onMessage = () => void messages.push(true)
      const result = await db.transaction((on) => work(repositories(on, { ...options, onMessage })))
      if (messages.length > 0) options.onMessage()
      return result
    },
  }
}

export type Store = ReturnType<typeof createStore>
export type Transaction = ReturnType<typeof repositories>

const repositories = (on: Db, { denyFor, publicUrl, onMessage }: Options) => ({
  accounts: createAccountRepository(on, publicUrl),
  audit: createAuditRepository(on),
  clients: createClientRepository(on),
  codes: createCodeRepository(on),
  denylist: createDenylistRepository(on, denyFor),
  outbox: createOutboxRepository(on, onMessage),
  roles: createRoleRepository(on),
  sessions: createSessionRepository(on, denyFor),
  uploads: createUploadRepository(on),
  users: createUserRepository(on, publicUrl),
})
