export type Fetch = typeof globalThis.fetch

type Request = {
  url: URL
  accept: string
  /** For the whole answer, in milliseconds. */
  timeout: number
  maxBytes: number
  signal: AbortSignal
}

export type Answer = { text: string; headers: Headers }

/** The service answered with another status than 200. */
export class StatusError extends Error {
  readonly status: number

  constructor(url: URL, status: number) {
    super(`${url.href} answered ${String(status)}`)
    this.status = status
  }
}

/** Follows no redirect. @throws Error, StatusError */
export async function get(fetch: Fetch, request: Request): Promise<Answer> {
  const { url, timeout, signal } = request
  signal.throwIfAborted()
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  // Not AbortSignal.any(): Node 20 may collect it as garbage, and then it never aborts.
  const late = new Promise<never>((_resolve, reject) => {
    const fail = (reason: string) => () => reject(new Error(`${url.href}: ${reason}`))
    timer = setTimeout(fail(`no answer within ${String(timeout)} ms`), timeout).unref()
    signal.addEventListener('abort', fail('closed'), { once: true, signal: stop.signal })
  })
  try {
    return await Promise.race([send(fetch, request, stop.signal), late])
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

async function send(fetch: Fetch, { url, accept, maxBytes }: Request, signal: AbortSignal) {
  const response = await fetch(url, {
    headers: { accept },
    redirect: 'error',
    credentials: 'omit',
    signal,
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new StatusError(url, response.status)
  }
  return { text: await read(response, url, maxBytes), headers: response.headers }
}

async function read({ body }: Response, url: URL, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes)
      throw new Error(`${url.href} answered more than ${String(maxBytes)} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
