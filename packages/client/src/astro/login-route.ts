import { loginOf } from './logins.js'
import type { Context } from './types.js'

/** The route that sends a browser to Gatehouse's login page. */
export const GET = (context: Pick<Context, 'locals'>): Response => loginOf(context).begin()
