import type { Case } from './caller.js'
import type { BodySchema } from './route-table.js'

const badTexts = {
  nothing: '',
  'a NUL': '%00',
  'a text with a NUL': 'a%00b',
  'a line break': '1%0d%0aX:y',
  'a text that is too long': 'a'.repeat(300),
}

// What is left of a query once the parameter takes any text is only that.
const badWords = {
  'a quote': '%27%20or%201=1--',
  space: '%20',
  'bytes that are not UTF-8': '%ff',
  zero: '0',
  'a negative number': '-1',
  'a large number': '201',
  'a huge number': '9'.repeat(30),
  'an exponent': '1e1',
  'a number with a sign': '%2b1',
  'a name of the prototype': '__proto__',
  'a UUID with a prefix': 'urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057',
  'a UUID in braces': '%7b01890a5d-ac96-774b-bcce-b302099a8057%7d',
}

/** Every parameter behind `?` with what it must not be, twice, and as a list. */
export function queries(path: string, { properties = {} }: BodySchema): Case[] {
  const refused = (name: string, field: string, query: string): Case => ({
    name,
    stage: 'query',
    request: { target: `${path}?${query}` },
    codes: ['validation_failed'],
    field,
  })
  return Object.entries(properties).flatMap(([name, schema]) => {
    // A pattern that only keeps control characters out leaves any text free.
    const isFree =
      (schema.pattern === undefined || schema.pattern.startsWith('^[^')) &&
      !['format', 'enum', 'const'].some((key) => key in schema)
    return [
      ...Object.entries({ ...badTexts, ...(!isFree && badWords) }).map(([what, value]) =>
        refused(`${name}: ${what}`, name, `${name}=${value}`),
      ),
      refused(`${name} twice`, name, `${name}=1&${name}=2`),
      refused(`${name} as a list`, `${name}[]`, `${name}[]=1`),
      refused(`${name} as an object`, `${name}[a]`, `${name}[a]=1`),
      refused(`${name} in capitals`, name.toUpperCase(), `${name.toUpperCase()}=1`),
    ]
  })
}
