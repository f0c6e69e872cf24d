import { loginOf } from './logins.js'
import type { Context } from './types.js'

/** The redirect URI of the site. */
export const GET = (context: Pick<Context, 'locals'>): Promise<Response> =>
  loginOf(context).finish()
