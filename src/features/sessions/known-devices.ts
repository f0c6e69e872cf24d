import type { Caller } from '../../http/caller.js'
import { networkOf } from '../limits/network.js'
import type { Seen } from './session-sql.js'

/** Whether one of the earlier logins had the browser and network of this one. */
export const isSeen = (seen: Seen[], caller: Caller): boolean =>
  seen.some(
    ({ user_agent, address }) =>
      isSameBrowser(user_agent, caller.user_agent) &&
      networkOf(address ?? '') === networkOf(caller.address),
  )

/** An update of the browser changes only numbers. */
export const isSameBrowser = (known: string | null, present: string | null): boolean =>
  withoutNumbers(known) === withoutNumbers(present)

const withoutNumbers = (userAgent: string | null) => userAgent?.replace(/[0-9._]+/g, '') ?? ''
