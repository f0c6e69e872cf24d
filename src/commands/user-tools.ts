import type { Account } from '../features/administration/schemas.js'
import type { Services } from '../services/services.js'
import type { Confirm } from './confirm.js'
import type { Print } from './output.js'

export type UserTools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
  confirm: Confirm | undefined
}

export const stateOf = (account: Pick<Account, 'disabled_at' | 'activated_at'>) =>
  account.disabled_at ? 'disabled' : account.activated_at ? 'active' : 'pending'
