import { createHmac, timingSafeEqual } from 'node:crypto'

/** What a login takes with it to Gatehouse, and what it keeps. */
export type LoginState = { state: string; verifier: string }

/**
 * The `state` and the code verifier of one login, from the key in the browser's cookie. One cookie serves any number
 * of tabs, and only this browser can end what it began (RFC 6749 §10.12, RFC 7636).
 * @param page where the visitor goes after the login
 */
export function createLoginState(key: string, nonce: string, page: string): LoginState {
  const content = `${nonce}.${Buffer.from(page).toString('base64url')}`
  return {
    state: `${content}.${digest(key, 'state', content)}`,
    verifier: verifierOf(key, content),
  }
}

/** The page and the verifier of a `state` that was made with this key. */
export function readLoginState(
  key: string,
  state: string,
): { page: string; verifier: string } | undefined {
  const [, content = '', page = '', mac = ''] =
    /^([\w-]{22}\.([\w-]+))\.([\w-]{43})$/.exec(state) ?? []
  if (!isEqual(mac, digest(key, 'state', content))) return undefined
  return { page: Buffer.from(page, 'base64url').toString(), verifier: verifierOf(key, content) }
}

const verifierOf = (key: string, content: string) => digest(key, 'verifier', content)

const digest = (key: string, purpose: string, content: string) =>
  createHmac('sha256', key).update(`${purpose}:${content}`).digest('base64url')

const isEqual = (one: string, other: string) =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
