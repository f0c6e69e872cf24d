import type { AuditRepository } from '../features/audit/repository.js'
import type { Flash } from './flash.js'

/** Returns a function that chooses the message after a login: "Welcome back" only from the second login on. */
export const createGreeting =
  (audit: Pick<AuditRepository, 'hasReturned'>) =>
  async (userId: string): Promise<Flash> =>
    (await audit.hasReturned(userId)) ? 'welcome_back' : 'logged_in'

export type Greeting = ReturnType<typeof createGreeting>
