import { setTimeout as sleep } from 'node:timers/promises'
import { getJson, LoginError, refused, sendForm, type Answer } from './gatehouse-api.js'

/** RFC 8628 §3.2. */
type Codes = {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete?: string
  expires_in: number
  interval?: number
}

type Surroundings = {
  /** Tells the person something. */
  say: (line: string) => void
  /** Draws a URL as a QR code; undefined without a terminal. */
  draw: ((url: string) => Promise<string>) | undefined
  /** In milliseconds. */
  now: () => number
  sleep: (ms: number) => Promise<unknown>
}

const client_id = 'gatehouse'
const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'

// In seconds. A server cannot make the command wait longer, or ask without a pause.
const longestWait = 1_800
const shortestInterval = 1
const step = 5

/** At a terminal, which is where stderr goes if stdout is a pipe. */
export const atTerminal: Surroundings = {
  say: (line) => void process.stderr.write(`${line}\n`),
  draw: process.stderr.isTTY
    ? async (url) => (await import('uqr')).renderUnicodeCompact(url, { border: 2 })
    : undefined,
  now: () => performance.now(),
  sleep,
}

/** Whether a Gatehouse logs in by codes, as its metadata says (RFC 8628 §4). @throws LoginError */
export async function offersCodes(url: string): Promise<boolean> {
  const metadata = await getJson<{ device_authorization_endpoint?: unknown }>(
    `${url}/.well-known/oauth-authorization-server`,
  )
  return metadata.ok && metadata.body.device_authorization_endpoint !== undefined
}

/**
 * Logs in by a code that the person types in a browser (RFC 8628). It waits as the server says, and ends when the code
 * expires.
 * @throws LoginError
 */
export async function logInByCode<Pair>(url: string, around: Surroundings): Promise<Pair> {
  const { say, draw, now, sleep } = around
  const begun = await sendForm<Codes>(`${url}/oauth/device_authorization`, { client_id })
  if (!begun.ok) throw refused(url, begun)
  const { device_code, user_code, verification_uri, ...codes } = begun.body
  say(`Open ${printable(verification_uri)} in a browser, and enter ${printable(user_code)}`)
  const complete = codes.verification_uri_complete
  if (draw && complete !== undefined) say(await draw(complete))

  const end = now() + Math.min(codes.expires_in, longestWait) * 1_000
  let interval = Math.max(codes.interval ?? step, shortestInterval)
  let outage: LoginError | undefined
  while (now() + interval * 1_000 < end) {
    await sleep(interval * 1_000)
    const answer = await ask<Pair>(url, device_code)
    outage = answer instanceof LoginError ? answer : undefined
    if (answer instanceof LoginError) {
      interval *= 2 // RFC 8628 §3.5
      continue
    }
    if (answer.ok) return answer.body
    if (answer.code === 'slow_down') interval += step
    else if (answer.code !== 'authorization_pending') throw refused(url, answer)
  }
  throw outage ?? new LoginError('The code has expired: log in again', 4)
}

/** Asks for the tokens. Returns the error of an outage, because the next request may succeed. */
async function ask<Pair>(url: string, device_code: string): Promise<Answer<Pair> | LoginError> {
  const form = { grant_type, client_id, device_code }
  return sendForm<Pair>(`${url}/oauth/token`, form).catch((error: unknown) => {
    if (error instanceof LoginError && error.exitCode === 5) return error
    throw error
  })
}

/** Without control characters, which a terminal would obey. */
const printable = (text: string) => text.replaceAll(/\p{Cc}/gu, '')
