// Special values of the epoch.
export const absent = -2
export const denied = -1

export const slotWords = 6 // the id takes four, the expiry one, the epoch one

const initialSlots = 4
/** How much larger a segment gets when more than three quarters of its slots are in use. */
const growth = 1.3
const maxLoad = 0.75

/** A hash table with open addressing, in one typed array with 24 bytes per slot. A slot without an expiry is free. */
export type Segment = {
  slots: Int32Array
  size: number
  /** How often it grew. A fraction sets it apart from other segments, so that they do not grow at the same time. */
  steps: number
}

export function createSegment(fraction: number): Segment {
  return { slots: new Int32Array(slotsAfter(fraction) * slotWords), size: 0, steps: fraction }
}

const slotsAfter = (steps: number) => Math.ceil(initialSlots * growth ** steps)

export const expiryAt = (slots: Int32Array, at: number): number => slots[at + 4] ?? 0

export const epochAt = (slots: Int32Array, at: number): number => slots[at + 5] ?? denied

/** Of an id in four words. The last two words of a UUIDv7 are random; the rest mixes their bits (MurmurHash3). */
export function hashOf(words: Int32Array, at: number): number {
  let hash = (words[at + 2] ?? 0) ^ (words[at + 3] ?? 0)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** The first slot to try, by the low 24 bits of the hash. */
function home(hash: number, count: number): number {
  return Math.floor(((hash & 0xffffff) * count) / 0x1000000)
}

/** The index of the slot of `key`, or of the free slot for it. */
export function findSlot(slots: Int32Array, key: Int32Array, hash: number): number {
  let at = home(hash, slots.length / slotWords) * slotWords
  while (expiryAt(slots, at) !== 0 && !isKeyAt(slots, at, key)) {
    at += slotWords
    if (at === slots.length) at = 0
  }
  return at
}

function isKeyAt(slots: Int32Array, at: number, key: Int32Array): boolean {
  return (
    slots[at] === key[0] &&
    slots[at + 1] === key[1] &&
    slots[at + 2] === key[2] &&
    slots[at + 3] === key[3]
  )
}

/** A denied id stays denied, and the epoch of an id never decreases. @returns whether the entry is new */
export function putEntry(
  segment: Segment,
  key: Int32Array,
  hash: number,
  expiry: number,
  epoch: number,
): boolean {
  const { slots } = segment
  const at = findSlot(slots, key, hash)
  if (expiryAt(slots, at) === 0) {
    slots.set(key, at)
    slots[at + 4] = expiry
    slots[at + 5] = epoch
    segment.size += 1
    if (segment.size * slotWords > slots.length * maxLoad) resize(segment, segment.steps + 1)
    return true
  }
  const before = epochAt(slots, at)
  slots[at + 4] = Math.max(expiryAt(slots, at), expiry)
  slots[at + 5] = before === denied || epoch === denied ? denied : Math.max(before, epoch)
  return false
}

/** Removes an entry, and moves those that lookups would no longer reach (Knuth, volume 3, §6.4, algorithm R). */
export function removeSlot(segment: Segment, slot: number): void {
  const { slots } = segment
  const count = slots.length / slotWords
  const next = (from: number) => (from + 1 === count ? 0 : from + 1)
  const distance = (from: number, to: number) => (to < from ? to - from + count : to - from)
  let hole = slot
  for (let other = next(slot); ; other = next(other)) {
    const at = other * slotWords
    if (expiryAt(slots, at) === 0) break
    const fromHome = distance(home(hashOf(slots, at), count), other)
    if (fromHome < distance(hole, other)) continue
    slots.copyWithin(hole * slotWords, at, at + slotWords)
    hole = other
  }
  slots.fill(0, hole * slotWords, (hole + 1) * slotWords)
  segment.size -= 1
}

/** Gives the memory of a segment back that was emptied. */
export function shrink(segment: Segment): void {
  let { steps } = segment
  while (steps >= 1 && segment.size * 2 < slotsAfter(steps - 1) * maxLoad) steps -= 1
  if (steps < segment.steps) resize(segment, steps)
}

function resize(segment: Segment, steps: number): void {
  const old = segment.slots
  const count = slotsAfter(steps)
  const slots = new Int32Array(count * slotWords)
  for (let from = 0; from < old.length; from += slotWords) {
    if (expiryAt(old, from) === 0) continue
    let at = home(hashOf(old, from), count) * slotWords
    while (expiryAt(slots, at) !== 0) {
      at += slotWords
      if (at === slots.length) at = 0
    }
    for (let word = 0; word < slotWords; word += 1) slots[at + word] = old[from + word] ?? 0
  }
  segment.slots = slots
  segment.steps = steps
}
