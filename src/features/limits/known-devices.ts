import { createHash } from 'node:crypto'
import type { Caller } from '../../http/caller.js'
import { networkOf } from './network.js'

/** 64 bits of a hash of browser and network, by which an account knows the device of an earlier login. */
export const deviceOf = ({ user_agent, address }: Pick<Caller, 'user_agent' | 'address'>): string =>
  createHash('sha256')
    .update(`${withoutNumbers(user_agent)}\n${networkOf(address)}`)
    .digest()
    .readBigInt64BE()
    .toString()

/** An update of the browser changes only numbers. */
export const isSameBrowser = (known: string | null, present: string | null): boolean =>
  withoutNumbers(known) === withoutNumbers(present)

const withoutNumbers = (userAgent: string | null) => userAgent?.replace(/[0-9._]+/g, '') ?? ''
