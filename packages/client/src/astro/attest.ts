import { createHash, createPrivateKey, randomBytes, sign } from 'node:crypto'

type Outgoing = {
  target: string
  method?: string | undefined
  body?: string | Uint8Array
  headers: Headers
  address: string
}

/** Adds to the headers of a request to Gatehouse what the site says of its visitor. */
export type Attest = (request: Outgoing) => void

// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const components = '("@method" "@request-target" "content-digest" "user-agent" "gatehouse-visitor")'

/**
 * Signs the visitor's address and browser, the method, the path and the body (HTTP Message Signatures, RFC 9421).
 * The path is the one below `url`, because a proxy that puts Gatehouse below a path removes that path.
 * @throws TypeError for a key of another form
 */
export function createAttest(siteKey: string, url: string, now: () => number = Date.now): Attest {
  const [, name = '', secret = ''] = /^([a-z][\w.-]{0,62}):([\w-]{43})$/.exec(siteKey) ?? []
  if (name === '') throw new TypeError('GATEHOUSE_SITE_KEY: it must be a site_key of Gatehouse')
  const der = Buffer.concat([pkcs8, Buffer.from(secret, 'base64url')])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const prefix = new URL(url).pathname.replace(/\/+$/, '')

  return ({ target, method = 'GET', body = '', headers, address }) => {
    const { pathname, search } = new URL(target)
    const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
    const created = Math.floor(now() / 1_000)
    const nonce = randomBytes(16).toString('base64url')
    const params = `${components};created=${created};nonce="${nonce}";keyid="${name}";alg="ed25519"`
    const base = [
      `"@method": ${method}`,
      `"@request-target": ${pathname.slice(prefix.length)}${search}`,
      `"content-digest": ${digest}`,
      `"user-agent": ${headers.get('user-agent') ?? ''}`,
      `"gatehouse-visitor": ${address}`,
      `"@signature-params": ${params}`,
    ].join('\n')
    headers.set('content-digest', digest)
    headers.set('gatehouse-visitor', address)
    headers.set('signature-input', `site=${params}`)
    const signature = sign(null, Buffer.from(base, 'latin1'), key).toString('base64')
    headers.set('signature', `site=:${signature}:`)
  }
}
