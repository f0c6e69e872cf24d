import type { Claims } from '@gatehouse/verify'
import type { Client } from '../client.js'

/** What the middleware uses of Astro's context. Typed here, because Astro is not a dependency. */
export type Context = {
  request: Request
  url: URL
  isPrerendered: boolean
  routePattern: string
  cookies: Cookies
  locals: object
}

export type Cookies = {
  get: (name: string) => { value: string } | undefined
  set: (name: string, value: string, attributes: CookieAttributes) => void
  delete: (name: string, attributes: CookieAttributes) => void
}

export type CookieAttributes = {
  path: string
  httpOnly: boolean
  sameSite: 'lax'
  secure: boolean
  maxAge?: number
}

/** What the middleware adds to `Astro.locals`. */
export type GatehouseLocals = {
  /** The claims of the access token, or undefined for a visitor without a login. */
  user: Claims | undefined
  /** Calls Gatehouse for this visitor. A login or logout by it sets the cookies. */
  gatehouse: Client
}

/** What the integration tells the middleware. */
export type Settings = {
  protect: string[]
  loginPage: string
  base: string
  /** Whether the site's address is https, however the request came in. */
  isSecure: boolean
  hosted?: HostedSettings | undefined
}

/** Of a site whose visitors log in by Gatehouse's own pages. */
export type HostedSettings = {
  clientId: string
  /** The paths of the two routes, with the base of the site. */
  loginPath: string
  callbackPath: string
  /** The site's own origin; by default that of the request. */
  origin?: string | undefined
}
