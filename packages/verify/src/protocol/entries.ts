import type { Denial, Denials } from './denials.js'
import {
  absent,
  createSegment,
  denied,
  epochAt,
  expiryAt,
  findSlot,
  hashOf,
  putEntry,
  removeSlot,
  shrink,
  slotWords,
  type Segment,
} from './segment.js'
import { formatUuid, readUuid } from './uuid.js'

/**
 * The denials in memory: a hash table of many segments, each of which grows and shrinks on its own, so
 * that no growth stops the process for long. An entry takes 32 to 40 bytes, at any size. add() accepts
 * entries in any order, also repeatedly. sweep() removes expired entries.
 * @param count the number of segments, a power of two
 */
export function createEntries(count = 256) {
  const segments = Array.from({ length: count }, (_each, nth) => createSegment(nth / count))
  const key = new Int32Array(4)
  let size = 0
  let sweptTo = { segment: 0, slot: 0 }

  return {
    get size() {
      return size
    },
    get bytes() {
      return segments.reduce((sum, { slots }) => sum + slots.byteLength, 0)
    },

    isDenied: (id: string): boolean => find(id) === denied,

    epochOf(id: string): number | undefined {
      const epoch = find(id)
      return epoch < 0 ? undefined : epoch
    },

    /** Adds an entry. A denied id stays denied, and the epoch of an id never decreases. */
    add({ id, epoch = denied, expires_at }: Denial): void {
      if (readUuid(id, key)) put(expires_at, epoch)
    },

    /** Adds packed entries: id (16 bytes), expiry (8), epoch (4), big-endian. Epoch -1 denies the id. */
    addPacked(packed: Buffer): void {
      for (let at = 0; at + 28 <= packed.length; at += 28) {
        for (let word = 0; word < 4; word += 1) key[word] = packed.readInt32BE(at + word * 4)
        const expiresAt = packed.readInt32BE(at + 16) * 2 ** 32 + packed.readUInt32BE(at + 20)
        put(expiresAt, packed.readInt32BE(at + 24))
      }
    },

    /** The denials that have not expired at `now` (seconds) and that are missing from `other`. */
    missingFrom(other: Denials, now: number): Denial[] {
      const missing: Denial[] = []
      for (const { slots } of segments) {
        for (let at = 0; at < slots.length; at += slotWords) {
          const expires_at = expiryAt(slots, at)
          if (expires_at <= now) continue
          const id = formatUuid(slots, at)
          const own = epochAt(slots, at)
          const epoch = own === denied ? undefined : own
          const hasOther = epoch !== undefined && (other.epochOf(id) ?? absent) >= epoch
          if (!hasOther && !other.isDenied(id)) missing.push({ id, epoch, expires_at })
        }
      }
      return missing
    },

    /** Removes entries that expired before `now` (seconds). Continues where the last call stopped. */
    sweep(now: number, maxSlots = 32_768): void {
      let left = maxSlots
      for (let visited = 0; visited <= count && left > 0; visited += 1) left = sweepOne(now, left)
    },
  }

  /** @returns the epoch, `denied` or `absent`; a malformed id is absent */
  function find(id: string): number {
    if (!readUuid(id, key)) return absent
    const hash = hashOf(key, 0)
    const { slots } = segmentOf(hash)
    const at = findSlot(slots, key, hash)
    return expiryAt(slots, at) === 0 ? absent : epochAt(slots, at)
  }

  /** Adds an entry for `key`. */
  function put(expiresAt: number, epoch: number): void {
    const hash = hashOf(key, 0)
    if (putEntry(segmentOf(hash), key, hash, Math.min(expiresAt, 2_147_483_647), epoch)) size += 1
  }

  /** By the high bits of the hash. The low ones place the entry in its segment. */
  function segmentOf(hash: number) {
    return segments[(hash >>> 24) & (count - 1)] as Segment
  }

  /** Sweeps at most `max` slots of the segment whose turn it is. @returns how many slots remain of `max` */
  function sweepOne(now: number, max: number): number {
    const segment = segments[sweptTo.segment] as Segment
    let { slot } = sweptTo
    let left = max
    const total = segment.slots.length / slotWords
    for (; left > 0 && slot < total; left -= 1) {
      const expiry = expiryAt(segment.slots, slot * slotWords)
      if (expiry !== 0 && expiry < now) {
        removeSlot(segment, slot)
        size -= 1
      } else slot += 1
    }
    if (slot < total) sweptTo = { ...sweptTo, slot }
    else {
      shrink(segment)
      sweptTo = { segment: (sweptTo.segment + 1) & (count - 1), slot: 0 }
    }
    return left
  }
}

export type Entries = ReturnType<typeof createEntries>
