import { createPublicKey } from 'node:crypto'

/** Public keys of a JSON Web Key Set (RFC 7517 §5); undefined if it is none, or holds a secret. */
export function readKeySet(text: string): { kid: unknown; pem: string }[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys: Record<string, unknown>[] }
    if (keys.length === 0) return undefined
    return keys.map((jwk) => {
      if (jwk.kty === 'oct' || 'd' in jwk) throw new Error('not public')
      const key = createPublicKey({ key: jwk as never, format: 'jwk' })
      return { kid: jwk.kid, pem: key.export({ type: 'spki', format: 'pem' }).toString() }
    })
  } catch {
    return undefined
  }
}
