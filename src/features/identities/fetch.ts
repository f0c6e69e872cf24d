import { AppError } from '../../errors.js'

const mebibyte = 1_048_576

/**
 * `fetch` for the servers of a provider. It allows 5 seconds and 1 MiB, follows no redirect, and accepts
 * only JSON. It returns a response with status 2xx or 4xx: a 4xx is an answer of the provider.
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
    return new Response(text, { status, headers: withoutEncoding(headers) })
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
    if (size > mebibyte) throw new Error('answered with more than 1 MiB')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** The body is decoded, so headers about its encoding and its encoded length no longer apply. */
function withoutEncoding(headers: Headers): Headers {
  const copy = new Headers(headers)
  copy.delete('content-encoding')
  copy.delete('content-length')
  return copy
}
