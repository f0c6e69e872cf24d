import { AppError } from '../../errors.js'

const mebibyte = 1_048_576

/**
 * `fetch` for a provider's servers: five seconds and one mebibyte at most, no redirect followed, and
 * JSON or nothing. What the provider itself refuses (4xx) is an answer too.
 * @throws AppError `provider_failed` for everything else
 */
export async function fetchJson(url: string, init: RequestInit): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(5_000)
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    const { status, headers } = response
    if (status < 200 || status >= 500 || (status >= 300 && status < 400)) {
      await response.body?.cancel()
      throw new Error(`answered with status ${String(status)}`)
    }
    const text = await readText(response)
    JSON.parse(text)
    return new Response(text, { status, headers: plain(headers) })
  } catch (cause) {
    throw new AppError('provider_failed', { cause })
  }
}

async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let size = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > mebibyte) throw new Error('answered with more than a mebibyte')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** The body was decoded on the way: what spoke of its length or coding does no more. */
function plain(headers: Headers): Headers {
  const copy = new Headers(headers)
  copy.delete('content-encoding')
  copy.delete('content-length')
  return copy
}
