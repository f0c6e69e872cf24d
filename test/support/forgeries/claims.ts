import { genuine, spell } from './kit.js'
import type { Case, Kit } from './kit.js'

// Undefined leaves the claim out; all else is JSON text, so that it can be what no object holds.
type Values = (string | undefined)[]

const noText: Values = [
  ...[undefined, 'null', 'true', 'false', '0', '1', '-1', '1e999', '[]', '{}', '""', '" "'],
  ...['[null]', '{"toString":"x"}', '"null"', '"undefined"', '"__proto__"', '"constructor"'],
  ...['"\\u0000"', '"*"'],
]

const noTime: Values = [
  ...[undefined, 'null', 'true', 'false', '""', '"soon"', '"NaN"', '[]', '{}', '-1', '-1e999'],
  ...['1e999', '1e21', '"Infinity"', '"2040-01-01T00:00:00Z"', '{"valueOf":9999999999}'],
  ...['253402300800'],
]

// What no JSON parser may take for a number.
const noJson: Values = [
  'NaN',
  'Infinity',
  '-Infinity',
  '0x7f',
  '1_000',
  '+1',
  '01',
  'undefined',
  '',
]

/** Signed with the service's own key: only what the claims say is wrong. */
export function claims(kit: Kit): Case[] {
  const issue = genuine(kit)
  const table = { ...times(kit), ...names(kit), ...ids(kit), ...rights }
  const single = Object.entries(table).flatMap(([claim, values]) =>
    values.map((text): Case => [
      `${claim} ${text === undefined ? 'left out' : legible(kit, claim, text)}`,
      issue({ payload: spell(kit.claims, claim, text) }),
    ]),
  )
  const several = Object.entries(contradictions(kit)).map(([name, changed]): Case => [
    name,
    issue({ payload: { ...kit.claims, ...changed } }),
  ])
  return [...single, ...several]
}

/** Times that are sound one by one. */
const contradictions = ({ now, ttl }: Kit): Record<string, object> => ({
  'issued a minute ago, exp now': { iat: now - 60, exp: now },
  'issued a minute ago, exp a second ago': { iat: now - 60, exp: now - 1 },
  'a whole life ago': { iat: now - ttl, exp: now },
  'a day ago': { iat: now - 86_400, exp: now - 86_400 + ttl },
  'a second too long, and nearly over': { iat: now - ttl, exp: now + 1 },
  'years too long, since long': { iat: 0, exp: now + 60 },
  'issued five seconds ahead, exp then': { iat: now + 5, exp: now + 5 },
  'issued five seconds ahead, exp before': { iat: now + 5, exp: now + 4 },
  'issued six seconds ahead, for a whole life': { iat: now + 6, exp: now + 6 + ttl },
  'issued tomorrow, for a whole life': { iat: now + 86_400, exp: now + 86_400 + ttl },
  'not before exp': { exp: now + 600, nbf: now + 600 },
  'not before, though issued before': { iat: now - 60, nbf: now + 300 },
})

/** The same name in every run, whatever the time, the ids and the port are. */
function legible({ now, claims, canary }: Kit, claim: string, text: string): string {
  const own = String(claims[claim as keyof typeof claims])
  const named = text
    .replaceAll(own, 'OURS')
    .replaceAll(canary, 'CANARY')
    .replace(/\b[12]\d{9}\b/g, (seconds) => `now${signed(Number(seconds) - now)}`)
    .replace(/\b1\d{12}\b/g, 'milliseconds')
  return named.length > 60 ? `${named.slice(0, 40)}… of ${text.length}` : named || 'nothing'
}

const signed = (seconds: number) => (seconds < 0 ? String(seconds) : `+${seconds}`)

/** The token was issued now; the clock stands still. */
function times({ now, ttl, claims }: Kit): Record<string, Values> {
  const as = (...seconds: number[]) => seconds.map(String)
  const later = now + 60
  return {
    exp: [
      ...noTime,
      ...noJson,
      ...as(0, now - 3_600, now - 1, now),
      ...[`"${later}"`, `[${later}]`, `${later}.5`, `{"exp":${later}}`],
      ...as(now + ttl + 1, now + 86_400, now + 315_360_000, 253_402_300_799, later * 1_000),
    ],
    iat: [
      ...noTime,
      ...noJson,
      ...[`"${now}"`, `[${now}]`, `${now - 1}.5`],
      ...as(now + 6, now + 60, claims.exp, claims.exp + 1, now * 1_000),
      ...as(0, now - 1, now - 86_400),
    ],
    nbf: [
      ...['null', 'true', '""', '"soon"', '[]', '{}', '1e999', 'NaN', `"${now - 60}"`],
      ...[`[${now - 60}]`],
      ...as(now + 3_600, now + 3_600.5, now * 1_000, 253_402_300_799, 1e21),
    ],
  }
}

/** Exactly from us, exactly for us. */
function names({ claims: { iss, aud }, canary }: Kit): Record<string, Values> {
  const around = (text: string) => [
    ...[`${text}/`, ` ${text}`, `${text} `, `${text}\0`, `${text}\n`, `${text}.evil.example`],
    ...[text.slice(0, -1), text.slice(1), text.toUpperCase(), `${text},${text}`, 'other', canary],
  ]
  const lists = (text: string) => [
    ...[[text], [text, 'other'], ['other', text], ['other'], [[text]]],
    ...[{ 0: text, length: 1 }, { value: text }],
  ]
  const json = (values: unknown[]) => values.map((value) => JSON.stringify(value))
  return {
    iss: [...noText, ...json([...around(iss), ...lists(iss), iss.replace('http', 'https'), aud])],
    aud: [...noText, ...json([...around(aud), ...lists(aud), aud.replace('o', '\u043e'), iss])],
  }
}

/** Every id is a UUID as we write them. */
function ids({ claims }: Kit): Record<string, Values> {
  const table: Record<string, Values> = {}
  for (const claim of ['sub', 'jti', 'sid'] as const) {
    const id = claims[claim]
    const wrong = [
      ...[id.toUpperCase(), id.replaceAll('-', ''), `{${id}}`, `urn:uuid:${id}`, ` ${id}`],
      ...[`${id} `],
      ...[`${id}\n`, `${id}\0`, `${id},${id}`, id.slice(0, -1), `${id}0`, `${id.slice(0, -1)}g`],
      ...["x' or '1'='1", `${id}'; --`, '../../etc/passwd', '\ud800', 'x'.repeat(4_000)],
      ...[[id], [[id]], { id }, { 0: id, length: 1 }],
    ]
    table[claim] = [...noText, ...wrong.map((value) => JSON.stringify(value))]
  }
  return table
}

const rights: Record<string, Values> = {
  roles: [
    ...[undefined, 'null', 'true', '0', '""', '"admin"', '"admin,user"', '{}', '{"0":"admin"}'],
    ...['[1]', '[null]', '[true]', '[{}]', '[["admin"]]', '["admin",1]', '["user",null]'],
    ...['{"length":0}', '1e999'],
  ],
  ...Object.fromEntries(
    ['username', 'email', 'name'].map((claim) => [
      claim,
      ['null', 'true', '0', '1', '1e999', '[]', '["ada"]', '{}', '{"toString":"ada"}'],
    ]),
  ),
  ...Object.fromEntries(
    ['epoch', 'gen'].map((claim) => [
      claim,
      [
        ...[undefined, 'null', 'true', 'false', '"0"', '""', '[]', '[0]', '{}', '-1', '0.5'],
        ...['1e999', '-1e999', 'NaN', '{"valueOf":0}'],
      ],
    ]),
  ),
  client_id: [
    ...[undefined, 'null', 'true', '0', '1', '1e999', '""', '[]', '["gatehouse"]', '{}'],
    ...[`"${'x'.repeat(65)}"`],
    '{"toString":"gatehouse"}',
  ],
}
