import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

const form = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/

/** How long a mark lasts, in seconds. */
export const deviceLifetime = 180 * 86_400

/** Whose mark it is. `version` counts the changes of the password: a mark dies with it. */
export type Owner = { id: string; version: number }

/**
 * Signed marks of devices on which a user has logged in: a device that sends one has guesses of its
 * own, so that a stranger's wrong ones do not lock the owner out (OWASP, "Slow Down Online Guessing
 * Attacks with Device Cookies"). A mark proves no identity.
 */
export function createDeviceMarks(secret: string, now: () => Date) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse device marks', 32))
  const seconds = () => Math.floor(now().getTime() / 1_000)
  const sign = (id: string, date: string, owner: Owner) =>
    createHmac('sha256', key)
      .update([owner.id, String(owner.version), date, id].join('\n'))
      .digest('base64url')

  return {
    make(owner: Owner): string {
      const id = randomBytes(16).toString('base64url')
      const date = seconds().toString(36)
      return `${id}.${date}.${sign(id, date, owner)}`
    },

    /** The device's id, if the mark is genuine, of this user and password, and not too old. */
    read(mark: string | undefined, owner: Owner): string | undefined {
      const [, id = '', date = '', signature = ''] = form.exec(mark ?? '') ?? []
      if (!id) return undefined
      const isOurs = timingSafeEqual(Buffer.from(sign(id, date, owner)), Buffer.from(signature))
      const isFresh = seconds() - Number.parseInt(date, 36) < deviceLifetime
      return isOurs && isFresh ? id : undefined
    },
  }
}

export type DeviceMarks = ReturnType<typeof createDeviceMarks>
