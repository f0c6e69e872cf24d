/** Gatehouse takes no larger body. */
const maxLength = 6 * 1_048_576

/**
 * The body of a request in memory, because its digest is signed before the first byte is sent. Sets the Content-Type of a
 * form with files.
 * @returns undefined for a body that Gatehouse would refuse for its size
 */
export async function readWhole(
  { body, signal }: Pick<RequestInit, 'body' | 'signal'>,
  headers: Headers,
): Promise<string | Uint8Array | undefined> {
  if (typeof body === 'string' || !body) return body ?? ''
  const source = new Response(body)
  const type = source.headers.get('content-type')
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type)
  const chunks: Uint8Array[] = []
  let length = 0
  const sink = new WritableStream<Uint8Array>({
    write(chunk, controller) {
      length += chunk.length
      if (length > maxLength) controller.error()
      else chunks.push(chunk)
    },
  })
  try {
    await source.body?.pipeTo(sink, { ...(signal && { signal }) })
  } catch (error) {
    if (length > maxLength) return undefined
    throw error
  }
  return Buffer.concat(chunks)
}
