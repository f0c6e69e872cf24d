import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A key by which a site attests its visitors (RFC 8032). Gatehouse keeps the public half alone. */
export function newSiteKey(name: string): { site_key: string; public_key: Buffer } {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return { site_key: `${name}:${d}`, public_key: Buffer.from(x, 'base64url') }
}

export const readPublicKey = (key: Buffer): KeyObject =>
  createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') },
    format: 'jwk',
  })
