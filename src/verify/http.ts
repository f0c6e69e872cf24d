export type Fetch = typeof globalThis.fetch

type Request = {
  url: URL
  accept: string
  /** In milliseconds, for all of it. */
  timeout: number
  /** In bytes. */
  most: number
  signal: AbortSignal
}

export type Answer = { text: string; headers: Headers }

/** The service answered, and with something else than 200. */
export class StatusError extends Error {
  readonly status: number

  constructor(url: URL, status: number) {
    super(`${url.href} answered ${String(status)}`)
    this.status = status
  }
}

/** Follows nobody anywhere, waits so long, and reads so much. @throws Error, StatusError */
export async function get(fetch: Fetch, request: Request): Promise<Answer> {
  const { url, accept, timeout, most, signal } = request
  const response = await fetch(url, {
    headers: { accept },
    redirect: 'error',
    credentials: 'omit',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new StatusError(url, response.status)
  }
  return { text: await read(response, url, most), headers: response.headers }
}

async function read({ body }: Response, url: URL, most: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > most) throw new Error(`${url.href} answered more than ${String(most)} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
