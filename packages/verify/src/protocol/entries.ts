/** What is denied: a token or a session by its id, or what is older than a user's present epoch. */
export type Denial = {
  id: string
  /** Undefined where the id is dead altogether. */
  epoch?: number | undefined
  /** Seconds since 1970, after the last token that it concerns has expired. */
  expires_at: number
}

/** So many seconds from now. The database's own word for it follows with the next delta. */
export const soon = (seconds: number) => Math.ceil(Date.now() / 1_000) + seconds

/** What find() says of an id that is not there, or is dead altogether; else its epoch. */
export const absent = -2
export const dead = -1

const slotWords = 6 // four of the id, its expiry, its epoch

/**
 * The denials in memory: open addressing in one typed array, 24 bytes a slot, a third to two thirds
 * of them full. Entries are added and repeated in any order, and leave by sweep().
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

    /** An id that is no UUID is not there. */
    find(id: string): number {
      if (!readId(id, key)) return absent
      const at = locate()
      return slots[at + 4] === 0 ? absent : (slots[at + 5] ?? absent)
    },

    /** A death is final, and an epoch only rises. */
    add({ id, epoch = dead, expires_at }: Denial): void {
      if (readId(id, key)) put(expires_at, epoch)
    },

    /** As a database sends them: 28 bytes each, of id, expiry (8) and epoch (4), big-endian. */
    addPacked(packed: Buffer): void {
      for (let at = 0; at + 28 <= packed.length; at += 28) {
        for (let word = 0; word < 4; word += 1) key[word] = packed.readInt32BE(at + word * 4)
        put(Number(packed.readBigInt64BE(at + 16)), packed.readInt32BE(at + 24))
      }
    },

    /** What is denied here until after `now` (seconds), and less or not at all in `other`. */
    missingFrom(other: { find: (id: string) => number }, now: number): Denial[] {
      const missing: Denial[] = []
      for (let at = 0; at < slots.length; at += slotWords) {
        const expires_at = slots[at + 4] ?? 0
        if (expires_at <= now) continue
        const id = writeId(slots, at)
        const mine = slots[at + 5] ?? dead
        const theirs = other.find(id)
        if (theirs === dead || (mine !== dead && theirs >= mine)) continue
        missing.push({ id, epoch: mine === dead ? undefined : mine, expires_at })
      }
      return missing
    },

    /** Looks at so many slots, from where it stopped; what expired before `now` (seconds) leaves. */
    sweep(now: number, most = 65_536): void {
      const count = Math.min(most, mask + 1)
      for (let looked = 0; looked < count; looked += 1) {
        const expiry = slots[sweptTo * slotWords + 4] ?? 0
        if (expiry !== 0 && expiry < now) remove(sweptTo)
        else sweptTo = (sweptTo + 1) & mask
      }
    },
  }

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
    const before = slots[at + 5] ?? dead
    slots[at + 4] = Math.max(slots[at + 4] ?? 0, expiry)
    slots[at + 5] = before === dead || epoch === dead ? dead : Math.max(before, epoch)
  }

  /** Where `key` is, or would be. */
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

  /** The last words of a UUIDv7 are random; the product spreads them over its high bits. */
  function home(words: Int32Array, at: number): number {
    const mixed = Math.imul((words[at + 2] ?? 0) ^ (words[at + 3] ?? 0), 0x9e3779b1)
    return ((mixed >>> 15) ^ mixed) & mask
  }

  /** Those behind it that would be found no more move up (Knuth, volume 3, §6.4, algorithm R). */
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

const dash = 45

/** The 16 bytes of a UUID in its usual spelling, as four words; false where it is none. */
function readId(id: string, words: Int32Array): boolean {
  if (id.length !== 36) return false
  let nibbles = 0
  let word = 0
  for (let at = 0; at < 36; at += 1) {
    const code = id.charCodeAt(at)
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (code !== dash) return false
      continue
    }
    const digit = hexDigit(code)
    if (digit < 0) return false
    word = (word << 4) | digit
    nibbles += 1
    if ((nibbles & 7) === 0) words[(nibbles >> 3) - 1] = word
  }
  return true
}

function writeId(words: Int32Array, at: number): string {
  const hex = Array.from(words.subarray(at, at + 4), (word) =>
    (word >>> 0).toString(16).padStart(8, '0'),
  ).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
