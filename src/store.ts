import { createAccountRepository } from './administration/repository.js'
import { createAuditRepository } from './audit/repository.js'
import { createCodeRepository } from './codes/repository.js'
import type { Db, Pool } from './db/pool.js'
import { createOutboxRepository } from './mail/repository.js'
import { createRoleRepository } from './roles/repository.js'
import { createSessionRepository } from './sessions/repository.js'
import { createUserRepository } from './users/repository.js'

type Options = {
  /** How long the tokens of an ended session are denied, in seconds. */
  denyFor: number
  /** Called for each message that is put in the outbox, before its commit. */
  onMessage: () => void
}

/** Every repository, on the pool; and all of them again in one transaction. */
export function createStore(db: Pool, options: Options) {
  return {
    ...repositories(db, options),
    /** Runs `work` in one transaction; rolls back and rethrows what it throws. */
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>) =>
      db.transaction((on) => work(repositories(on, options))),
  }
}

export type Store = ReturnType<typeof createStore>
export type Transaction = ReturnType<typeof repositories>

const repositories = (on: Db, { denyFor, onMessage }: Options) => ({
  accounts: createAccountRepository(on),
  audit: createAuditRepository(on),
  codes: createCodeRepository(on),
  outbox: createOutboxRepository(on, onMessage),
  roles: createRoleRepository(on),
  sessions: createSessionRepository(on, denyFor),
  users: createUserRepository(on),
})
