import { GatehouseError, errorOf } from './errors.js'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export type Sending = {
  fetch: Fetch
  /** In milliseconds, for one attempt. */
  timeout: number
  /** In milliseconds, for all waiting between attempts. */
  maxWait: number
  pause: (milliseconds: number) => Promise<void>
}

const maxAttempts = 3

/**
 * Sends a request. A repeatable one is sent again after 429 and 503, when the service says so.
 * @throws GatehouseError for any answer but a success, or without an answer
 */
export async function send(
  url: string,
  init: RequestInit,
  { isRepeatable, ...sending }: Sending & { isRepeatable: boolean },
): Promise<Response> {
  const { pause } = sending
  let left = sending.maxWait
  for (let attempt = 1; ; attempt += 1) {
    const response = await exchange(url, init, sending)
    if (response.ok) return response
    const error = await errorOf(response)
    const isBusy = error.status === 429 || error.status === 503
    // Up to a quarter longer, so that the tabs of a browser do not all come back at once.
    const wait = (error.retryAfter ?? attempt) * 1_000 * (1 + Math.random() / 4)
    if (!isBusy || !isRepeatable || attempt === maxAttempts || wait > left) throw error
    left -= wait
    await pause(wait)
  }
}

/** One attempt. @throws GatehouseError `network` or `timeout`, or what the caller's signal aborts with */
export async function exchange(
  url: string,
  init: RequestInit,
  { fetch, timeout }: Pick<Sending, 'fetch' | 'timeout'>,
): Promise<Response> {
  const { signal } = init
  const deadline = AbortSignal.timeout(timeout)
  try {
    return await fetch(url, {
      ...init,
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw deadline.aborted
      ? new GatehouseError('timeout', 'The service does not answer', { cause })
      : new GatehouseError('network', 'The service cannot be reached', { cause })
  }
}
