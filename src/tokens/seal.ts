import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const ivBytes = 12
const tagBytes = 16

const keyOf = (secret: string) =>
  Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse signing keys', 32))

/** AES-256-GCM: iv ‖ tag ‖ ciphertext. `label` is bound to it, so that one box cannot pass as another. */
export function seal(secret: string, plaintext: string, label: string): Buffer {
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret), iv).setAAD(Buffer.from(label))
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext])
}

/** @throws Error when the secret or the label is not the one it was sealed with */
export function unseal(secret: string, box: Buffer, label: string): string {
  const iv = box.subarray(0, ivBytes)
  const tag = box.subarray(ivBytes, ivBytes + tagBytes)
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), iv, { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(label)).setAuthTag(tag)
  const plaintext = [decipher.update(box.subarray(ivBytes + tagBytes)), decipher.final()]
  return Buffer.concat(plaintext).toString('utf8')
}
