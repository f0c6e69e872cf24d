import type { Case } from './caller.js'

const json = 'Content-Type: application/json'

const unsupported = [
  'text/plain',
  'text/json',
  'text/xml',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'application/merge-patch+json',
  'application/ld+json',
  'application/jsonp',
  'application/\tjson',
  'application /json',
  'application/json\tx',
  'application/json x',
  'application/json/x',
  'application/json, text/plain',
  'text/plain, application/json',
  'application',
  '/',
  '*/*',
  '',
  'undefined',
  '\xe9/json',
  'application/json;charset=utf-16',
  'application/json; charset="utf-16"',
  'application/json;CHARSET=UTF-16LE',
  'application/json; charset=utf-7',
  'application/json; charset=iso-8859-1',
  'application/json; charset = utf-16',
  'application/json; charset=',
  'application/json; charset=utf-8; charset=utf-16',
  'application/json; x=";charset=utf-8"; charset=utf-16',
].map((type) => `Content-Type: ${type}`)

const legal = [
  'Content-Type:\t application/json\t ',
  'Content-Type: APPLICATION/JSON',
  'content-type:application/json',
  'Content-Type: application/json; charset=utf-8',
  'Content-Type: application/json ;Charset="UTF-8"',
  'Content-Type: application/json;',
  'Content-Type: application/json; garbage',
]

/** A body under every name but its own, and under its own names. */
export function contentTypes(body: string): Case[] {
  const withBody = (stage: Case['stage'], headers: string[]): Case => ({
    name: headers.join(' + ') || 'no Content-Type',
    stage,
    request: { headers, body },
    codes: ['unsupported_media_type'],
  })
  return [
    withBody('body', []),
    ...unsupported.map((line) => withBody('body', [line])),
    ...['gzip', 'br', 'x', 'identity, gzip'].map((coding) =>
      withBody('body', [json, `Content-Encoding: ${coding}`]),
    ),
    ...legal.map((line) => withBody('legal', [line])),
    withBody('legal', [json, 'Content-Encoding: identity']),
    { ...withBody('head', [json, 'Content-Type: text/plain']), codes: ['bad_request'] },
    { ...withBody('head', ['Content-Type: text/plain', json]), codes: ['bad_request'] },
    { ...withBody('head', [`${json}\0`]), codes: ['bad_request'] },
  ]
}

/** However its type is spelt, what is parsed is also validated. */
export function contentTypesOfInvalid(body: string, field: string): Case[] {
  return legal.map((line) => ({
    name: `${line}, an unknown field`,
    stage: 'fields',
    request: { headers: [line], body },
    codes: ['validation_failed'],
    field,
  }))
}
