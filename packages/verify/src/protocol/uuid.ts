const dash = 45

/** Parses a UUID into four words. @returns false if the text is not a UUID */
export function readUuid(id: string, words: Int32Array): boolean {
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

/** Formats the four words from index `at` as a UUID in lower case. */
export function formatUuid(words: Int32Array, at: number): string {
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
