import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

const form = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/

/**
 * Signed marks of devices on which a user has logged in: who brings one back has guesses of their own,
 * so that nobody else's wrong ones lock the owner out (OWASP, "Slow Down Online Guessing Attacks with
 * Device Cookies"). A mark proves no identity.
 */
export function createDeviceMarks(secret: string) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse device marks', 32))
  const sign = (id: string, userId: string) =>
    createHmac('sha256', key).update(`${userId}\n${id}`).digest('base64url')

  return {
    make(userId: string): string {
      const id = randomBytes(16).toString('base64url')
      return `${id}.${sign(id, userId)}`
    },

    /** The device's id, if the mark is genuine and of this user. */
    read(mark: string | undefined, userId: string): string | undefined {
      const [, id = '', signature = ''] = form.exec(mark ?? '') ?? []
      const isOurs = id && timingSafeEqual(Buffer.from(sign(id, userId)), Buffer.from(signature))
      return isOurs ? id : undefined
    },
  }
}

export type DeviceMarks = ReturnType<typeof createDeviceMarks>
