import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export type Answered = {
  status: number
  headers: Headers
  /** Where a redirect leads to, as it is written. */
  location: string | null
  html: string
  /** The cookies that the answer sets or clears, by name. */
  setCookies: string[]
}

type Fields = Record<string, string>

/**
 * A browser without a script: keeps cookies, posts forms, follows no redirect. Each request may tell
 * the headers that say where it came from; it comes from the address bar or from an own page by default.
 */
export function browserSession(origin: string) {
  const cookies = new Map<string, string>()

  async function send(path: string, from: Fields, form?: Form): Promise<Answered> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await exchange(
      origin + path,
      { accept: 'text/html,*/*;q=0.8', ...from, ...(cookie && { cookie }) },
      form,
    )
    const headers = new Headers()
    for (const [name, values = []] of Object.entries(answer.headersDistinct)) {
      for (const value of values) headers.append(name, value)
    }
    const lines = headers.getSetCookie()
    lines.forEach(keep)
    return {
      status: answer.statusCode ?? 0,
      headers,
      location: headers.get('location'),
      html: await text(answer),
      setCookies: lines.map((line) => line.slice(0, line.indexOf('='))),
    }
  }

  function keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/; */)
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    const isGone = attributes.some(
      (attribute) =>
        /^max-age=0$/i.test(attribute) ||
        (/^expires=/i.test(attribute) && Date.parse(attribute.slice(8)) < Date.now()),
    )
    if (isGone) cookies.delete(name)
    else cookies.set(name, value)
  }

  return {
    cookies,

    get: (path: string, from: Fields = { 'sec-fetch-site': 'none' }) => send(path, from),

    post: (
      path: string,
      body: Fields | FormData = {},
      from: Fields = { origin, 'sec-fetch-site': 'same-origin' },
    ) => {
      const form = body instanceof FormData ? body : new URLSearchParams(body)
      return send(path, from, form)
    },
  }
}

type Form = URLSearchParams | FormData

/** Not by `fetch`, which writes a Sec-Fetch-Mode of its own. */
async function exchange(url: string, headers: Fields, form?: Form): Promise<IncomingMessage> {
  const body = form && new Response(form)
  const bytes = body && Buffer.from(await body.arrayBuffer())
  const sent = request(url, {
    method: form ? 'POST' : 'GET',
    headers: {
      ...headers,
      ...(body && { 'content-type': body.headers.get('content-type') ?? '' }),
      ...(bytes && { 'content-length': bytes.length }),
    },
  })
  sent.end(bytes)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return answer
}

export type BrowserSession = ReturnType<typeof browserSession>

/** The headers of a click on a link of an own page. */
export const fromOwnPage: Fields = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }

/** The headers of a request that a page of another site causes: a browser of today, and an older one. */
export const fromAnotherSite: Record<string, Fields> = {
  'Sec-Fetch-Site': { 'sec-fetch-site': 'cross-site' },
  Origin: { origin: 'https://evil.example' },
  'both headers': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  'a sandboxed frame': { origin: 'null' },
}

/** A client that is no browser: JSON there and back, a Bearer token where it has one. */
export function jsonClient(origin: string) {
  return async (method: string, path: string, body?: object, token?: string) => {
    const answer = await fetch(origin + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: await answer.json() }
  }
}
