import { inJson, type Case, type Sample } from './caller.js'
import type { BodySchema } from './route-table.js'

/** What a client would like to set. */
const unknown = [
  ...['id', 'role', 'roles', 'active', 'activated_at', 'disabled_at', 'created_at', 'epoch'],
  ...['password_hash', 'email_canonical', 'sub', 'sid', 'userId', 'is_admin', '$where'],
  ...[
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'length',
    'Email',
    'a.b',
    '../x',
    'é',
  ],
]

// As they are written: 1e400 and its like do not survive JSON.stringify.
const notText = [
  ...['0', '-0', '5', '1.5', '1e400', '-1e400', '123456789012345678901234567890', 'true', 'false'],
  ...['null', '[]', '["text"]', '[[]]', '{}', '{"$ne":""}', '{"toString":1}', '{"length":5}', '""'],
]
const notArray = ['"user"', '5', 'null', '{}', '{"0":"user"}', '{"length":1}', 'true']
const notItems = ['[5]', '[null]', '[["user"]]', '[{}]', '["Admin"]', '["user "]']
// Of what no field with a pattern may hold: an order that a reader would not see, and line ends.
const unreadable = ['a\\u202eb', 'a\\u2066b', 'a\\r\\nb', 'a\\u0007', 'a\\u2028b', '\\u0085']
const notBoolean = [
  '"true"',
  '"false"',
  '"on"',
  '""',
  '0',
  '1',
  '1e400',
  'null',
  '[]',
  '[true]',
  '{}',
]

/** Every field of a route's body with every value that it must not take, and fields it has not. */
export function fields(schema: BodySchema, sample: Sample): Case[] {
  const properties = Object.entries(schema.properties ?? {})
  return [
    ...unknownFields(sample),
    ...(schema.minProperties ? [invalid('no field', 'body', {})] : []),
    ...(schema.required ?? []).map((field) =>
      invalid(`without ${field}`, field, { ...sample, [field]: undefined }),
    ),
    ...properties.flatMap(([field, property]) => badValues(field, property, sample)),
  ]
}

function unknownFields(sample: Sample): Case[] {
  const long = 'a'.repeat(10_000)
  return [
    ...unknown.map((field) => invalid(`${field} added`, field, { ...sample, [field]: 'admin' })),
    invalid('a nameless field added', 'body', { ...sample, '': 1 }),
    invalid('a field of a long name added', long.slice(0, 100), { ...sample, [long]: 1 }),
    invalid('constructor.prototype added', 'constructor', {
      ...sample,
      constructor: { prototype: { active: true } },
    }),
  ]
}

function badValues(field: string, schema: BodySchema, sample: Sample): Case[] {
  const { maxLength, pattern } = schema
  const types = [schema.type ?? []].flat()
  const isText = types.includes('string')
  const raw = isText
    ? notText.filter((value) => value !== 'null' || !types.includes('null'))
    : types.includes('boolean')
      ? notBoolean
      : []
  const put = (value: string, at = field): Case => {
    const bad = invalid(`${field}: ${value}`, at, { ...sample, [field]: '(value)' })
    return { ...bad, request: inJson(String(bad.request.body).replace('"(value)"', value)) }
  }
  const cases = raw.map((value) => put(value))
  if (types.includes('array')) {
    return [
      ...notArray.map((value) => put(value)),
      ...notItems.map((value) => put(value, `${field}.0`)),
      put(JSON.stringify(Array.from({ length: 51 }, () => 'user'))),
    ]
  }
  if (!isText) return cases
  const malformed = ['\\u0000', 'a\\u0000b', '\\ud800', '\\udc00\\ud800', 'a\\udfff'].map(
    (text) => {
      const body = JSON.stringify({ ...sample, [field]: '(value)' }).replace('(value)', text)
      return { name: `${field}: "${text}"`, stage: 'body', request: inJson(body), field } as const
    },
  )
  return [
    ...cases,
    ...(pattern ? unreadable.map((text) => put(`"${text}"`)) : []),
    ...malformed.map((bad): Case => ({ ...bad, codes: ['invalid_json'] })),
    ...(maxLength
      ? [
          invalid(`${field} too long`, field, {
            ...sample,
            [field]: 'a1'.repeat(maxLength).slice(0, maxLength + 1),
          }),
        ]
      : []),
  ]
}

function invalid(name: string, field: string, body: Sample): Case {
  return {
    name,
    stage: 'fields',
    request: inJson(JSON.stringify(body)),
    codes: ['validation_failed'],
    field,
  }
}

/** Texts that hide, reorder or imitate; none of them may be in what names a user. */
const disguised = {
  'a control character': 'a\u0001b',
  'a line break': 'a\r\nb',
  'a delete': 'a\u007fb',
  'a C1 control': 'a\u0085b',
  'a zero-width space': 'a\u200bb',
  'a zero-width joiner': 'a\u200db',
  'a word joiner': 'a\u2060b',
  'a byte order mark inside': 'a\ufeffb',
  'a soft hyphen': 'a\u00adb',
  'a right-to-left override': 'a\u202eb',
  'a right-to-left isolate': 'a\u2067b',
  'a right-to-left mark at the end': 'ab\u200f',
  'a tag character': 'a\u{e0061}b',
  'a private character': 'a\ue000b',
  'an unassigned character': 'a\u0378b',
  'a noncharacter': 'a\uffffb',
  'a line separator': 'a\u2028b',
  'a grapheme joiner at the end': 'ab\u034f',
  'a variation selector at the end': 'ab\ufe0f',
  'a Mongolian variation selector': 'ab\u180b',
  'a Hangul filler': 'a\u3164',
  'a space inside': 'a b',
}

const userNames = {
  ...disguised,
  'only space': ' \u3000 ',
  'only a filler': '\u115f',
  'a quote': "a'b--",
  'an element': '<b>a</b>',
  'a path': '../a',
  'a fullwidth %00': 'a\uff05\uff10\uff10b',
  '65 letters': 'a'.repeat(65),
}

const addresses = {
  ...Object.fromEntries(
    Object.entries(disguised).map(([name, text]) => [name, `${text}@example.org`]),
  ),
  'no @': 'ada.example.org',
  'two @': 'ada@example@org',
  'a fullwidth @ and another': 'ada\uff20example@org',
  'nothing before @': '@example.org',
  'nothing after @': 'ada@',
  'two dots': 'a..b@example.org',
  'a dot first': '.a@example.org',
  'a quoted local part': '"a b"@example.org',
  'a literal domain': 'a@[127.0.0.1]',
  'a Cyrillic letter': '\u0430da@example.org',
  'a list': 'a@example.org,b@example.org',
  'a name and address': 'Ada <a@example.org>',
  'a header': 'a@example.org\r\nBcc: b@example.org',
  '65 octets before @': `${'a'.repeat(65)}@example.org`,
  '255 octets': `a@${'b.'.repeat(120)}${'c'.repeat(13)}`,
}

const numbers = {
  'a control character': '+4912345\u00016',
  'a zero-width space': '+4912345\u200b6',
  'a right-to-left override': '+4912345\u202e6',
  'other digits': '\u0661\u0662\u0663\u0664\u0665\u0666\u0667',
  letters: '+49call',
  'two signs': '++4912345678',
  'a sign inside': '49+12345678',
  'few digits': '12345',
  'many digits': '1'.repeat(16),
  'only punctuation': '()-. ',
  'an extension': '+4912345678,12',
}

/** Identifiers that are no identifier, of the kinds that a route takes. */
export function identifiers(schema: BodySchema, sample: Sample): Case[] {
  const tables = { email: addresses, username: userNames, mobile: numbers }
  return Object.entries(tables)
    .filter(([kind]) => schema.properties && Object.hasOwn(schema.properties, kind))
    .flatMap(([kind, table]) =>
      Object.entries(table).map(([name, text]) =>
        invalid(`${kind} with ${name}`, kind, { ...sample, email: undefined, [kind]: text }),
      ),
    )
}
