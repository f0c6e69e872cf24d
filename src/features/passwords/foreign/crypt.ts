import { createHash } from 'node:crypto'
import type { CryptId } from './recipe.js'

// Hashes of crypt(3): MD5-crypt by P.-H. Kamp, its variant of Apache, and "Unix crypt using SHA-256 and SHA-512"
// by U. Drepper, version 0.6. Node.js has no asynchronous form of them: they belong into a worker thread.

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The checksum, the last part of a hash of crypt(3). */
export function crypt(id: CryptId, rounds: number, salt: string, password: string): string {
  const [pass, salted] = [Buffer.from(password), Buffer.from(salt)]
  if (id === '5') return shaCrypt('sha256', rounds, salted, pass)
  if (id === '6') return shaCrypt('sha512', rounds, salted, pass)
  return md5Crypt(`$${id}$`, salted, pass)
}

const hash = (algorithm: string, ...parts: Buffer[]) =>
  parts.reduce((digest, part) => digest.update(part), createHash(algorithm)).digest()

/** The first `length` bytes of a repeated digest. */
const repeat = (bytes: Buffer, length: number) => Buffer.alloc(length, bytes)

/** The bits of `count` from the lowest up, the highest one last. */
function bitsOf(count: number): number[] {
  const bits: number[] = []
  for (let rest = count; rest > 0; rest >>>= 1) bits.push(rest & 1)
  return bits
}

function md5Crypt(mark: string, salt: Buffer, pass: Buffer): string {
  const second = hash('md5', pass, salt, pass)
  const bits = bitsOf(pass.length).map((bit) => (bit ? Buffer.alloc(1) : pass.subarray(0, 1)))
  let digest = hash('md5', pass, Buffer.from(mark), salt, repeat(second, pass.length), ...bits)
  for (let round = 0; round < 1_000; round += 1) {
    digest = hash('md5', ...partsOf(round, digest, salt, pass))
  }
  const order = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5]
  return encode(digest, order) + encode24(0, 0, digest[11] ?? 0, 2)
}

function shaCrypt(algorithm: 'sha256' | 'sha512', rounds: number, salt: Buffer, pass: Buffer) {
  const second = hash(algorithm, pass, salt, pass)
  const bits = bitsOf(pass.length).map((bit) => (bit ? second : pass))
  let digest = hash(algorithm, pass, salt, repeat(second, pass.length), ...bits)
  const times = Array.from({ length: 16 + (digest[0] ?? 0) }, () => salt)
  const p = repeat(hash(algorithm, ...Array.from({ length: pass.length }, () => pass)), pass.length)
  const s = repeat(hash(algorithm, ...times), salt.length)
  for (let round = 0; round < rounds; round += 1) {
    digest = hash(algorithm, ...partsOf(round, digest, s, p))
  }
  return algorithm === 'sha256'
    ? encode(digest, rotated(10, 30)) + encode24(0, digest[31] ?? 0, digest[30] ?? 0, 3)
    : encode(digest, rotated(21, 63)) + encode24(0, 0, digest[63] ?? 0, 2)
}

/** What a round hashes. All three algorithms share it. */
function partsOf(round: number, digest: Buffer, salt: Buffer, pass: Buffer): Buffer[] {
  const isOdd = round % 2 === 1
  const parts = [isOdd ? pass : digest]
  if (round % 3 > 0) parts.push(salt)
  if (round % 7 > 0) parts.push(pass)
  parts.push(isOdd ? digest : pass)
  return parts
}

/** The order of SHA-crypt: i, i + step, i + 2 * step, each group rotated further than the one before. */
function rotated(step: number, length: number): number[] {
  const order: number[] = []
  let [a, b, c] = [0, step, 2 * step]
  for (let taken = 0; taken < length; taken += 3) {
    order.push(a, b, c)
    // SHA-256 rotates to the right, SHA-512 to the left.
    ;[a, b, c] = step === 10 ? [c + 1, a + 1, b + 1] : [b + 1, c + 1, a + 1]
  }
  return order
}

function encode(digest: Buffer, order: number[]): string {
  let text = ''
  for (let at = 0; at < order.length; at += 3) {
    const [a = 0, b = 0, c = 0] = order.slice(at, at + 3).map((place) => digest[place])
    text += encode24(a, b, c, 4)
  }
  return text
}

function encode24(a: number, b: number, c: number, characters: number): string {
  let [bits, text] = [(a << 16) | (b << 8) | c, '']
  for (let each = 0; each < characters; each += 1, bits >>>= 6) text += alphabet.charAt(bits & 63)
  return text
}
