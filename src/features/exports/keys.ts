import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { createSeal } from '../../crypto/seal.js'

type Key = { id: string; key: Buffer }

/** Keys of imported hashes under a passphrase, as an export has them. */
export type SealedKeys = { salt: string; sealed: string }

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** A passphrase can be guessed offline, so each guess costs 128 MiB. */
async function sealOf(passphrase: string, salt: Buffer) {
  const costs = { N: 131_072, r: 8, p: 1, maxmem: 160 * 1_048_576 }
  const secret = await derive(passphrase.normalize('NFC'), salt, 32, costs)
  return createSeal(secret.toString('base64'), 'export')
}

export async function sealKeys(keys: Key[], passphrase: string): Promise<SealedKeys> {
  const salt = randomBytes(16)
  const seal = await sealOf(passphrase, salt)
  const text = JSON.stringify(keys.map(({ id, key }) => [id, key.toString('base64')]))
  return { salt: salt.toString('base64'), sealed: seal.seal(text, 'keys').toString('base64') }
}

/** @throws Error if the passphrase is another one, or the text is damaged */
export async function openKeys({ salt, sealed }: SealedKeys, passphrase: string): Promise<Key[]> {
  const seal = await sealOf(passphrase, Buffer.from(salt, 'base64'))
  const text = seal.open(Buffer.from(sealed, 'base64'), 'keys')
  const pairs = JSON.parse(text) as [id: string, key: string][]
  return pairs.map(([id, key]) => ({ id, key: Buffer.from(key, 'base64') }))
}
