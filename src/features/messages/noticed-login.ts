import { isIP } from 'node:net'
import { nameOfBrowser } from '../../http/browser-name.js'
import { toMinute } from '../../http/times.js'

/** A login on a device that the account did not know. */
export type NoticedLogin = {
  /** The session that the login opened. */
  id: string
  user_id: string
  user_agent: string | null
  address: string
  created_at: string
  used_at: string | null
}

/** Browser, network and time of a login in words. Both are the client's word, so no other text of it is repeated. */
export function placeOf({ user_agent, address, created_at }: NoticedLogin): string {
  const network = isIP(address) === 0 ? 'an unknown network' : address
  return `${nameOfBrowser(user_agent)}, from ${network}, at ${toMinute(created_at)}`
}
