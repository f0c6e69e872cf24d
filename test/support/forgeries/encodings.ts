import { gzipSync } from 'node:zlib'
import { genuine } from './kit.js'
import type { Case, Kit, Part } from './kit.js'

/** RFC 7519 §7.2, RFC 8725 §3.7: UTF-8 of one JSON object, in both parts. */
export function encodings(kit: Kit): Case[] {
  const issue = genuine(kit)
  const claims = JSON.stringify(kit.claims)
  const [front = '', back = ''] = JSON.stringify({ ...kit.claims, client_id: 'a|b' }).split('|')
  return [
    ...texts(JSON.stringify(kit.header)).map(([name, text]): Case => [
      `header: ${name}`,
      issue({ header: text }),
    ]),
    ...texts(claims).map(([name, text]): Case => [`payload: ${name}`, issue({ payload: text })]),
    ...invalidUtf8.map(([name, bytes]): Case => [
      `payload: ${name} inside a claim`,
      issue({ payload: Buffer.concat([Buffer.from(front), bytes, Buffer.from(back)]) }),
    ]),
    ['payload: compressed', issue({ payload: gzipSync(claims) })],
    ['payload: nested 1,500 deep', issue({ payload: `${'['.repeat(1_500)}${']'.repeat(1_500)}` })],
    ...duplicates(kit),
  ]
}

const invalidUtf8: [string, Buffer][] = [
  ['byte FF', Buffer.from([0xff])],
  ['a lone continuation byte', Buffer.from([0x80])],
  ['a cut sequence', Buffer.from([0xe2, 0x82])],
  ['an overlong slash', Buffer.from([0xc0, 0xaf])],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
  ['beyond Unicode', Buffer.from([0xf4, 0x90, 0x80, 0x80])],
]

const swapped = (text: string) => Buffer.from(text, 'utf16le').swap16()

function texts(json: string): [string, Part][] {
  return [
    ['UTF-8 with a BOM', `\ufeff${json}`],
    ['UTF-16LE', Buffer.from(json, 'utf16le')],
    ['UTF-16LE with a BOM', Buffer.from(`\ufeff${json}`, 'utf16le')],
    ['UTF-16BE', swapped(json)],
    ['UTF-16BE with a BOM', swapped(`\ufeff${json}`)],
    ['UTF-32LE', Buffer.from(Uint32Array.from(Buffer.from(json)).buffer)],
    ...invalidUtf8.map(([name, bytes]): [string, Part] => [
      `${name} in front`,
      Buffer.concat([bytes, Buffer.from(json)]),
    ]),
    ['null', 'null'],
    ['true', 'true'],
    ['a number', '1'],
    ['a string', '"text"'],
    ['the object as a string', JSON.stringify(json)],
    ['an empty array', '[]'],
    ['the object in an array', `[${json}]`],
    ['an empty object', '{}'],
    ['one space', ' '],
    ['one null byte', '\0'],
    ['cut short', json.slice(0, -1)],
    ['a comma too many', json.replace(/}$/, ',}')],
    ['a comment', json.replace('{', '{/**/')],
    ['single quotes', json.replaceAll('"', "'")],
    ['text behind', `${json}x`],
    ['a null byte behind', `${json}\0`],
    ['the object twice', json + json],
    ['two lines', `${json}\n{}`],
    [
      'a raw line end in a string',
      json.replace('jwt"', 'jwt\n"').replace('gatehouse"', 'gatehouse\n"'),
    ],
    ['a form', 'alg=none&sub=1'],
  ]
}

/** RFC 7515 §4: the last one counts, so a good one in front of it helps nobody. */
function duplicates(kit: Kit): Case[] {
  const issue = genuine(kit)
  const and = (object: object, member: string) =>
    JSON.stringify(object).replace(/}$/, `,${member}}`)
  const instead = (object: object) => `{"__proto__":${JSON.stringify(object)}}`
  const header = [
    '"alg":"none"',
    '"kid":"x"',
    '"kid":null',
    '"typ":"JWT"',
    '"typ":"rt+jwt"',
    '"\\u0061lg":"none"',
  ]
  const payload = [
    '"exp":1',
    '"exp":"1"',
    '"iss":"x"',
    '"aud":"x"',
    '"sub":"x"',
    '"jti":null',
    '"s\\u0075b":"x"',
  ]
  return [
    ...header.map((member): Case => [
      `header: ${member} once more`,
      issue({ header: and(kit.header, member) }),
    ]),
    ...payload.map((member): Case => [
      `payload: ${member} once more`,
      issue({ payload: and(kit.claims, member) }),
    ]),
    ['header: all of it in __proto__', issue({ header: instead(kit.header) })],
    ['payload: all of it in __proto__', issue({ payload: instead(kit.claims) })],
    [
      'payload: all of it in constructor.prototype',
      issue({ payload: { constructor: { prototype: kit.claims } } }),
    ],
  ]
}
