import type { Fetch } from '../send.js'
import type { Attest } from './attest.js'
import { markIn, markNames, type VisitorCookies } from './cookies.js'
import { tooLarge } from './replies.js'
import { readWhole } from './whole-body.js'

type Options = {
  url: string
  send: Fetch
  addressOf: (forwardedFor: string | null) => string | undefined
  attest?: Attest | undefined
}

/**
 * Requests to Gatehouse name the visitor's address and browser, and pass on the marks of the device and of a
 * challenge. Requests to other services do not: they must not learn the marks, nor set them.
 */
export function createVisitorFetch({ url, send, addressOf, attest }: Options) {
  const base = new URL(`${url.replace(/\/+$/, '')}/`).href

  return ({ headers: visitor }: Request, cookies: VisitorCookies): Fetch => {
    const address = addressOf(visitor.get('x-forwarded-for'))
    return async (target, init) => {
      if (!isBelowUrl(target)) return send(target, init)
      const headers = new Headers(init.headers)
      const marks = markNames.flatMap((name) => {
        const mark = cookies.mark(name)
        return mark === undefined ? [] : [`${name}=${mark}`, `__Host-${name}=${mark}`]
      })
      if (address !== undefined) headers.set('x-forwarded-for', address)
      headers.set('user-agent', visitor.get('user-agent') ?? 'unknown')
      if (marks.length > 0) headers.set('cookie', marks.join('; '))
      let { body } = init
      if (attest && address !== undefined) {
        const whole = await readWhole(init, headers)
        if (whole === undefined) return tooLarge()
        attest({ target, method: init.method, body: whole, headers, address })
        if (body) body = whole
      }
      const response = await send(target, { ...init, body, headers, redirect: 'error' })
      for (const name of markNames) {
        const mark = markIn(response.headers, name)
        if (mark !== undefined) cookies.storeMark(name, mark)
      }
      return response
    }
  }

  /** The parsed target counts, so that dots in a path do not lead out. */
  function isBelowUrl(target: string): boolean {
    return URL.canParse(target) && new URL(target).href.startsWith(base)
  }
}
