import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const ivBytes = 12
const tagBytes = 16

/**
 * Encrypts with AES-256-GCM. Each `purpose` has its own key, derived from `secret` with HKDF.
 * A sealed value is iv ‖ tag ‖ ciphertext. Its label is authenticated too, so that a sealed value
 * cannot be exchanged for another.
 */
export function createSeal(secret: string, purpose: string) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', `gatehouse ${purpose}`, 32))

  return {
    seal(plaintext: string, label: string): Buffer {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(label))
      const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
      return Buffer.concat([iv, cipher.getAuthTag(), ciphertext])
    },

    /** @throws Error if the value was sealed with another secret or label */
    open(box: Buffer, label: string): string {
      const iv = box.subarray(0, ivBytes)
      const tag = box.subarray(ivBytes, ivBytes + tagBytes)
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
      decipher.setAAD(Buffer.from(label)).setAuthTag(tag)
      const plaintext = [decipher.update(box.subarray(ivBytes + tagBytes)), decipher.final()]
      return Buffer.concat(plaintext).toString('utf8')
    },
  }
}

export type Seal = ReturnType<typeof createSeal>
