import { gzipSync } from 'node:zlib'
import { inJson, type Case, type Sample } from './caller.js'
import type { Bytes } from './connection.js'

const limit = 16_384
const nested = (open: string, close: string, levels: number) =>
  open.repeat(levels) + close.repeat(levels)

/** A table of bodies that no parser should take, whatever the route. */
const notJson: [name: string, body: Bytes][] = [
  ['only space', ' \r\n\t'],
  ['cut in a string', '{"email":"a'],
  ['cut after a value', '{"email":"a"'],
  ['cut in an escape', '{"email":"\\u00'],
  ['two documents', '{}{}'],
  ['text after the document', '{} x'],
  ['a trailing comma', '{"a":1,}'],
  ['single quotes', "{'a':1}"],
  ['keys without quotes', '{a:1}'],
  ['a comment', '{/* */}'],
  ['NaN', '{"a":NaN}'],
  ['a leading zero', '{"a":01}'],
  ['a line break in a string', '{"a":"b\nc"}'],
  ['an unknown escape', '{"a":"\\x41"}'],
  ['a form', 'email=a&password=b'],
  ['XML', '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
  ['a byte order mark', '\ufeff{}'],
  ['UTF-16', Buffer.from('{"a":"b"}', 'utf16le')],
  ['UTF-16 with a mark', Buffer.from('\ufeff{"a":"b"}', 'utf16le')],
  ['UTF-16BE', Buffer.from('{"a":"b"}', 'utf16le').swap16()],
  ['gzip', gzipSync('{}')],
  ['0xff', inString([0xff])],
  ['a lone continuation byte', inString([0x80])],
  ['a cut sequence', inString([0xe2, 0x82])],
  ['ISO 8859-1', inString([0xe9])],
  ['an overlong slash', inString([0xc0, 0xaf])],
  ['an overlong NUL', inString([0xc0, 0x80])],
  ['a longer overlong slash', inString([0xe0, 0x80, 0xaf])],
  ['a raw lone surrogate', inString([0xed, 0xa0, 0x80])],
  ['raw surrogates', inString([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80])],
  ['beyond Unicode', inString([0xf4, 0x90, 0x80, 0x80])],
]

const notObjects = ['null', 'true', 'false', '0', '-1e5', '"text"', '[]', '[{}]', '[[[]]]']

/** JSON, and of one meaning to one parser only. The field that is at fault follows. */
const ambiguous: [name: string, body: string, field?: string][] = [
  ['__proto__', '{"__proto__":{"active":true}}', 'body'],
  ['__proto__: null', '{"__proto__":null}', 'body'],
  ['an escaped __proto__', '{"\\u005f_proto__":{"active":true}}', 'body'],
  ['a nested __proto__', '{"email":{"__proto__":{"active":true}}}', 'body'],
  ['__proto__ in an array', '{"email":[{"__proto__":[]}]}', 'body'],
  ['a NUL in a key', '{"a\\u0000":1}', 'body'],
  ['a lone surrogate in a key', '{"\\ud800":1}', 'body'],
  ['a key twice', '{"a":1,"a":1}', 'body'],
  ['a nested key twice', '{"email":{"a":1,"a":2}}', 'body'],
  ['a key twice in an array', '{"email":[{"a":1},{"a":1,"a":2}]}', 'body'],
  ['an empty key twice', '{"":1,"":2}', 'body'],
  ['a key with a quote twice', '{"a\\"":1,"\\u0061\\"" :2}', 'body'],
  ['a key twice, the colon on another line', '{"a"\n:1,"a"\r\n\t:2}', 'body'],
  ['a key twice beside text like a key', '{"a":"\\":","a":"\\\\"}', 'body'],
  ['9 levels', nested('{"a":', '}', 9).replace(':}', ':{}}')],
  ['2,000 objects deep', nested('{"a":', '}', 2_000).replace(':}', ':{}}')],
  ['8,000 arrays deep', `{"email":${nested('[', ']', 8_000)}}`],
]

/** What is refused for its body on any route, and what is as good as it was. */
export function bodies(sample: Sample): Case[] {
  const good = JSON.stringify(sample)
  const refused = (name: string, body: Bytes, field?: string): Case => ({
    name,
    stage: 'body',
    request: inJson(body),
    codes: ['invalid_json'],
    ...(field && { field }),
  })
  const tooLarge = (name: string, body: string): Case => ({
    ...refused(name, body),
    codes: ['body_too_large'],
  })
  return [
    { ...refused('nothing, called JSON', ''), stage: 'bare' },
    ...notJson.map((row) => refused(...row)),
    ...notObjects.map((body) => refused(body, body, 'body')),
    ...ambiguous.map((row) => refused(...row)),
    ...duplicates(good).map((row) => refused(...row)),
    tooLarge('10,000 arrays deep', `{"email":${nested('[', ']', 10_000)}}`),
    tooLarge('one byte too many', good.padEnd(limit + 1)),
    tooLarge('1 MB in a string', `{"email":"${'a'.repeat(1 << 20)}"}`),
    { ...refused('as many bytes as may be', good.padEnd(limit)), stage: 'legal' },
  ]
}

/** A good body in which the first key comes twice: the last would win, or the first. */
function duplicates(good: string): [name: string, body: string, field: string][] {
  const [, key, rest] = /^\{"(\w+)":(.*)\}$/s.exec(good) ?? []
  if (!key || !rest) return []
  const escaped = `\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}`
  return [
    ['the first field twice', `{"${key}":"x","${key}":${rest}}`, 'body'],
    ['the first field twice, once escaped', `{"${escaped}":"x","${key}":${rest}}`, 'body'],
    ['the first field twice, the good one first', `{"${key}":${rest},"${escaped}":"x"}`, 'body'],
  ]
}

function inString(bytes: number[]): Buffer {
  return Buffer.concat([Buffer.from('{"email":"a'), Buffer.from(bytes), Buffer.from('"}')])
}
