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
  const { url, timeout, signal } = request
  signal.throwIfAborted()
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  // Not AbortSignal.any(): Node 20 may collect it, and then nothing ever ends the wait.
  const late = new Promise<never>((_resolve, reject) => {
    const fail = (why: string) => () => reject(new Error(`${url.href}: ${why}`))
    timer = setTimeout(fail('no answer in time'), timeout).unref()
    signal.addEventListener('abort', fail('closed'), { once: true, signal: stop.signal })
  })
  try {
    return await Promise.race([ask(fetch, request, stop.signal), late])
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}

async function ask(fetch: Fetch, { url, accept, most }: Request, signal: AbortSignal) {
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
