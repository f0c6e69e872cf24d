import { OperatorError } from '../errors.js'

/** The exit codes are those of HTTPie: 4 for a refusal, 5 for an outage. */
export class LoginError extends OperatorError {
  readonly exitCode: 4 | 5

  constructor(message: string, exitCode: 4 | 5, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export const exitCodeOf = (error: OperatorError) =>
  error instanceof LoginError ? error.exitCode : 1

export type Answer<Body> =
  | { ok: true; body: Body }
  | { ok: false; code: string; message: string; body: unknown; cookie: string }

/** How the session list names this program. */
const userAgent = `gatehouse (${systemOf(process.platform)})`

/** In milliseconds. The lock of the login lasts longer. */
const deadline = 15_000
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

/** @throws OperatorError unless the password and the tokens stay secret on the way */
export function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
  if (!url || !isSafe) throw new OperatorError('URL must be https, or http on this machine')
  return url.origin
}

/** Gets a document. @throws LoginError as sendJson() */
export const getJson = <Body>(url: string): Promise<Answer<Body>> => send(url, undefined, {})

/** Sends a JSON body. @throws LoginError if Gatehouse does not answer, or asks to come again later */
export const sendJson = <Body>(url: string, body: object, cookie = ''): Promise<Answer<Body>> =>
  send(url, JSON.stringify(body), {
    'content-type': 'application/json',
    ...(cookie !== '' && { cookie }),
  })

/** Sends a form. @throws LoginError as sendJson() */
export const sendForm = <Body>(url: string, form: Record<string, string>): Promise<Answer<Body>> =>
  send(url, new URLSearchParams(form).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
  })

async function send<Body>(
  url: string,
  body: string | undefined,
  headers: Record<string, string>,
): Promise<Answer<Body>> {
  const { origin } = new URL(url)
  const unreachable = (cause: unknown) => {
    throw new LoginError(`${origin} does not answer: try again later`, 5, { cause })
  }
  const signal = AbortSignal.timeout(deadline)
  const options = {
    ...(body !== undefined && { method: 'POST', body }),
    headers: { ...headers, 'user-agent': userAgent },
    ...({ signal, redirect: 'error' } as const),
  }
  const answer = await fetch(url, options).catch(unreachable)
  const text = await answer.text().catch(unreachable)
  if (answer.status >= 500 || answer.status === 429) {
    const seconds = Number(answer.headers.get('retry-after')) || 60
    throw new LoginError(`${origin} is busy: try again in ${String(seconds)} seconds`, 5)
  }
  const parsed = parse(text)
  if (answer.ok && parsed) return { ok: true, body: parsed as Body }
  const { code, error, message, error_description } = parsed ?? {}
  return {
    ok: false,
    code: wordOf(code ?? error) ?? String(answer.status),
    message: wordOf(message ?? error_description) ?? `status ${String(answer.status)}`,
    body: parsed,
    cookie: answer.headers
      .getSetCookie()
      .map((line) => line.replace(/;.*/s, ''))
      .join('; '),
  }
}

/** The error of a refusal, in the words of the server. */
export const refused = (url: string, { message }: Extract<Answer<unknown>, { ok: false }>) =>
  new LoginError(`${url} refused: ${message}`, 4)

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const wordOf = (value: unknown) => (typeof value === 'string' ? value : undefined)

function systemOf(platform: string): string {
  const names: Record<string, string> = { darwin: 'Mac OS X', linux: 'Linux', win32: 'Windows' }
  return names[platform] ?? platform
}
