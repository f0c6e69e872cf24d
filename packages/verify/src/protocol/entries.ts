import type { Denial, Denials } from './denials.js'
import { formatUuid, readUuid } from './uuid.js'

// Special values of the epoch.
const absent = -2
const denied = -1

const slotWords = 6 // the id takes four, the expiry one, the epoch one

/**
 * The denials in memory: a hash table with open addressing, in one typed array with 24 bytes per slot. It doubles
 * when more than two thirds of the slots are in use. add() accepts entries in any order, also repeatedly.
 * sweep() removes expired entries.
 */
export function createEntries(initialSlots = 1_024) {
  let slots = new Int32Array(initialSlots * slotWords)
  let mask = initialSlots - 1
  let size = 0
  let sweptTo = 0
  const key = new Int32Array(4)

  return {
    get size() {
      return size
    },
    get bytes() {
      return slots.byteLength
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
        put(Number(packed.readBigInt64BE(at + 16)), packed.readInt32BE(at + 24))
      }
    },

    /** The denials that have not expired at `now` (seconds) and that are missing from `other`. */
    missingFrom(other: Denials, now: number): Denial[] {
      const missing: Denial[] = []
      for (let at = 0; at < slots.length; at += slotWords) {
        const expires_at = slots[at + 4] ?? 0
        if (expires_at <= now) continue
        const id = formatUuid(slots, at)
        const own = slots[at + 5] ?? denied
        const epoch = own === denied ? undefined : own
        const hasOther = epoch !== undefined && (other.epochOf(id) ?? absent) >= epoch
        if (!hasOther && !other.isDenied(id)) missing.push({ id, epoch, expires_at })
      }
      return missing
    },

    /** Removes entries that expired before `now` (seconds). Continues where the last call stopped. */
    sweep(now: number, maxSlots = 65_536): void {
      const count = Math.min(maxSlots, mask + 1)
      for (let checked = 0; checked < count; checked += 1) {
        const expiry = slots[sweptTo * slotWords + 4] ?? 0
        if (expiry !== 0 && expiry < now) remove(sweptTo)
        else sweptTo = (sweptTo + 1) & mask
      }
    },
  }

  /** @returns the epoch, `denied` or `absent`; a malformed id is absent */
  function find(id: string): number {
    if (!readUuid(id, key)) return absent
    const at = locate()
    return slots[at + 4] === 0 ? absent : (slots[at + 5] ?? absent)
  }

  /** Adds an entry for `key`. */
  function put(expiresAt: number, epoch: number): void {
    const at = locate()
    const expiry = Math.min(expiresAt, 2_147_483_647)
    if (slots[at + 4] === 0) {
      slots.set(key, at)
      slots[at + 4] = expiry
      slots[at + 5] = epoch
      size += 1
      if (size * 3 > (mask + 1) * 2) grow()
      return
    }
    const before = slots[at + 5] ?? denied
    slots[at + 4] = Math.max(slots[at + 4] ?? 0, expiry)
    slots[at + 5] = before === denied || epoch === denied ? denied : Math.max(before, epoch)
  }

  /** The slot of `key`, or the free slot for it. */
  function locate(): number {
    let slot = home(key, 0)
    for (;;) {
      const at = slot * slotWords
      if (slots[at + 4] === 0 || isKeyAt(at)) return at
      slot = (slot + 1) & mask
    }
  }

  function isKeyAt(at: number): boolean {
    return (
      slots[at] === key[0] &&
      slots[at + 1] === key[1] &&
      slots[at + 2] === key[2] &&
      slots[at + 3] === key[3]
    )
  }

  /** The first slot to try. The last words of a UUIDv7 are random. The product moves their bits to its high bits. */
  function home(words: Int32Array, at: number): number {
    const mixed = Math.imul((words[at + 2] ?? 0) ^ (words[at + 3] ?? 0), 0x9e3779b1)
    return ((mixed >>> 15) ^ mixed) & mask
  }

  /** Removes an entry, and moves those that lookups would no longer reach (Knuth, volume 3, §6.4, algorithm R). */
  function remove(slot: number): void {
    let hole = slot
    for (let next = (slot + 1) & mask; ; next = (next + 1) & mask) {
      const at = next * slotWords
      if (slots[at + 4] === 0) break
      const distance = (next - home(slots, at)) & mask
      if (distance < ((next - hole) & mask)) continue
      slots.copyWithin(hole * slotWords, at, at + slotWords)
      hole = next
    }
    slots.fill(0, hole * slotWords, (hole + 1) * slotWords)
    size -= 1
  }

  function grow(): void {
    const old = slots
    mask = mask * 2 + 1
    slots = new Int32Array((mask + 1) * slotWords)
    sweptTo = 0
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 4] === 0) continue
      let slot = home(old, at)
      while (slots[slot * slotWords + 4] !== 0) slot = (slot + 1) & mask
      slots.set(old.subarray(at, at + slotWords), slot * slotWords)
    }
  }
}

export type Entries = ReturnType<typeof createEntries>
