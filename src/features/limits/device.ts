import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../concurrency/clock.js'

const pattern = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/

/** How long a mark is valid, in seconds. */
export const deviceMarkTtl = 180 * 86_400

/** The user of a mark. `version` counts password changes; a change ends the mark. */
export type DeviceOwner = { id: string; version: number }

/**
 * Makes and reads signed marks of devices on which a user has logged in. Password guesses from a marked
 * device are counted apart, so that a stranger's wrong guesses do not lock the owner out (OWASP, "Slow
 * Down Online Guessing Attacks with Device Cookies"). A mark proves no identity.
 */
export function createDeviceMarks(secret: string, clock: Clock) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse device marks', 32))
  const seconds = () => Math.floor(clock.now() / 1_000)
  const sign = (id: string, date: string, owner: DeviceOwner) =>
    createHmac('sha256', key)
      .update([owner.id, String(owner.version), date, id].join('\n'))
      .digest('base64url')

  return {
    make(owner: DeviceOwner): string {
      const id = randomBytes(16).toString('base64url')
      const date = seconds().toString(36)
      return `${id}.${date}.${sign(id, date, owner)}`
    },

    /** Returns the id of the device, if the mark is genuine, belongs to the owner and has not expired. */
    read(mark: string | undefined, owner: DeviceOwner): string | undefined {
      const [, id = '', date = '', signature = ''] = pattern.exec(mark ?? '') ?? []
      if (!id) return undefined
      const isGenuine = timingSafeEqual(Buffer.from(sign(id, date, owner)), Buffer.from(signature))
      const isCurrent = seconds() - Number.parseInt(date, 36) < deviceMarkTtl
      return isGenuine && isCurrent ? id : undefined
    },
  }
}

export type DeviceMarks = ReturnType<typeof createDeviceMarks>
