import { encode, genuineUntil, signerOf } from './kit.js'
import type { Case, Kit } from './kit.js'

/** RFC 4648 §3.2–3.5: one spelling of the same bytes. */
export function spellings(kit: Kit): Case[] {
  const [header = '', payload = '', signature = ''] = genuineUntil(kit, (s) => /-.*_|_.*-/.test(s))
  const at = (part: number, change: (text: string) => string) =>
    [header, payload, signature]
      .map((text, index) => (index === part ? change(text) : text))
      .join('.')
  const middle = (text: string) => (part: string) => part.slice(0, 8) + text + part.slice(8)
  const changes: Record<string, (part: string) => string> = {
    'padded with =': (part) => `${part}=`,
    'padded with ==': (part) => `${part}==`,
    'padded with %3D': (part) => `${part}%3D`,
    '= in the middle': middle('='),
    '* in the middle': middle('*'),
    'a percent escape in the middle': (part) =>
      part.replace(/^./, (first) => `%${first.charCodeAt(0).toString(16)}`),
    'one character more': (part) => `${part}A`,
    'a byte of Latin-1 in the middle': middle('\xe9'),
    'a space in the middle': middle(' '),
    'a tab in the middle': middle('\t'),
    'a space behind': (part) => `${part} `,
    'a no-break space behind': (part) => `${part}\xa0`,
  }
  return [
    ...['header', 'payload', 'signature'].flatMap((name, part) =>
      Object.entries(changes)
        // At the very end, white space belongs to the field and not to its value (RFC 9110 §5.5).
        .filter(([change]) => part < 2 || change !== 'a space behind')
        .map(([change, apply]): Case => [`${name}: ${change}`, at(part, apply)]),
    ),
    [
      'signature: + and / for - and _',
      at(2, (text) => text.replaceAll('-', '+').replaceAll('_', '/')),
    ],
    ['signature: + for -', at(2, (text) => text.replaceAll('-', '+'))],
    ['signature: / for _', at(2, (text) => text.replaceAll('_', '/'))],
    ...loose(kit),
  ]
}

/** Signed as they are: only the bits that no byte has are wrong. */
function loose(kit: Kit): Case[] {
  const signer = signerOf(kit.keys[kit.algorithm])
  const bits = (object: object, spaces: number) => {
    const text = encode(JSON.stringify(object).padEnd(spaces))
    return text.slice(0, -1) + nextLetter(text.slice(-1))
  }
  const signed = (header: string, payload: string) => {
    const input = `${header}.${payload}`
    return `${input}.${signer(input).toString('base64url')}`
  }
  const upTo = (object: object, rest: number) => {
    const { length } = JSON.stringify(object)
    return length + ((rest - (length % 3) + 3) % 3)
  }
  return [1, 2].flatMap((rest): Case[] => [
    [
      `header: loose bits after byte ${rest} of 3`,
      signed(bits(kit.header, upTo(kit.header, rest)), encode(kit.claims)),
    ],
    [
      `payload: loose bits after byte ${rest} of 3`,
      signed(encode(kit.header), bits(kit.claims, upTo(kit.claims, rest))),
    ],
  ])
}

export const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const nextLetter = (letter: string) => alphabet[alphabet.indexOf(letter) + 1] ?? ''
