import { leadTime } from '../config/key-life.js'
import type { KeyRotation, Rotated } from '../features/tokens/rotation.js'

type Print = (line: string) => void
type List = Awaited<ReturnType<KeyRotation['list']>>
type Listed = List['keys'][number]

/** A key a line, separated by tabs, with a head. */
export async function listKeys(rotation: KeyRotation, print: Print): Promise<void> {
  const list = await rotation.list()
  const head = ['kid', 'algorithm', 'state', 'published', 'signs from', 'retired from', 'removed']
  print(head.join('\t'))
  for (const key of list.keys) {
    const { kid, algorithm, created_at, signs_from, retiresAt, until } = key
    const ends = [retiresAt, Math.max(...Object.values(until))].map(timeOf)
    print([kid, algorithm, stateOf(key, list), created_at, signs_from, ...ends].join('\t'))
  }
}

/** `refreshes`: it is in the JWK set no more, and verifies refresh tokens only. */
function stateOf({ kid, signsFrom, until }: Listed, { signer, now }: List): string {
  if (kid === signer) return 'signs'
  if (signsFrom > now) return 'published'
  if (now < until['at+jwt']) return 'verifies'
  return now < until['rt+jwt'] ? 'refreshes' : 'expired'
}

// What is later than a Date can be does not come.
const timeOf = (ms: number) => (ms < 8.64e15 ? new Date(ms).toISOString() : '')

export async function rotateKeys(
  rotation: KeyRotation,
  atOnce: boolean,
  print: Print,
): Promise<void> {
  const key = await rotation.rotate(atOnce ? 0 : leadTime)
  const isOld = !key.made && !atOnce
  print(`${key.kid} ${isOld ? 'is published already, and ' : ''}${signing(key)}`)
}

export async function removeKey(rotation: KeyRotation, kid: string, print: Print): Promise<void> {
  const next = await rotation.remove(kid)
  print(`${kid} is removed`)
  if (next) print(`${next.kid} ${signing(next)}`)
}

const signing = ({ signs_from }: Rotated) => `signs from ${signs_from}`
