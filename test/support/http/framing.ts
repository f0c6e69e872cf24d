import type { Case } from './caller.js'

/** How long is the body? Every way to leave that open is refused (RFC 9112 §6, R86). */
export function framing(body: string): Case[] {
  const size = Buffer.byteLength(body)
  const chunk = `${size.toString(16)}\r\n${body}\r\n`
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const whole = `${chunk}0\r\n\r\n`
  const chunked = 'Transfer-Encoding: chunked'
  const length = (value: string | number) => `Content-Length: ${value}`

  const lengths: [headers: string[], content: string][] = [
    [[length(size), chunked], whole],
    [[chunked, length(size)], whole],
    [[length(whole.length), chunked], whole + smuggled],
    [[chunked, length(4)], `${whole}${smuggled}`],
    [[length(size), length(size)], body],
    [[length(size), length(size + 1)], `${body} `],
    [[length(0), length(size)], body],
    ...[
      `${size}, ${size}`,
      `+${size}`,
      '-1',
      `0x${size.toString(16)}`,
      `${size}.0`,
      '1 2',
      '',
      'a',
      '1e1',
    ].map((value): [string[], string] => [[length(value)], body]),
    [[length('9'.repeat(30))], body],
  ]
  const codings: [coding: string, content: string][] = [
    ['gzip', body],
    ['identity', body],
    ['chunked, gzip', whole],
    ['gzip, chunked', whole],
    ['identity, chunked', whole],
    ['chunked, chunked', whole],
    ['chunked\r\nTransfer-Encoding: chunked', whole],
    ['xchunked', whole],
    ['"chunked"', whole],
    ['\x0bchunked', whole],
    ['chunked;q=1', whole],
    ['', whole],
  ]
  const chunks: [name: string, content: string][] = [
    ['a size that is no number', `zz\r\n${body}\r\n0\r\n\r\n`],
    ['a negative size', `-1\r\n${body}\r\n0\r\n\r\n`],
    ['a size with 0x', `0x${chunk}0\r\n\r\n`],
    ['a size beyond 64 bits', `1${'0'.repeat(16)}\r\n${body}\r\n0\r\n\r\n`],
    ['a size too small', `1\r\n${body}\r\n0\r\n\r\n`],
    ['space before a size', ` ${whole}`],
    ['no size', `\r\n${body}\r\n0\r\n\r\n`],
    ['bare LFs', whole.replaceAll('\r\n', '\n')],
    ['a bare LF after an extension', whole.replace('\r\n', ';a\n')],
    ['20 KB of extension', whole.replace('\r\n', `;${'a'.repeat(20_000)}\r\n`)],
    ['a length in the trailer', `${chunk}0\r\nContent-Length: 5\r\n\r\n`],
  ]
  const json = 'Content-Type: application/json'
  const send = (name: string, stage: Case['stage'], headers: string[], content: string): Case => ({
    name,
    stage,
    request: { headers: [json, ...headers], body: content, measured: false },
  })
  return [
    ...lengths.map(([lines, content]) => send(lines.join(' + '), 'head', lines, content)),
    ...codings.map(([coding, content]) =>
      send(`Transfer-Encoding: ${coding}`, 'head', [`Transfer-Encoding: ${coding}`], content),
    ),
    send('Transfer-Encoding : chunked', 'head', ['Transfer-Encoding : chunked'], whole),
    ...chunks.map(([name, content]) => send(`chunks with ${name}`, 'after', [chunked], content)),
    {
      ...send(
        'chunks with 20 KB of trailer',
        'after',
        [chunked],
        `${chunk}0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
      ),
      codes: ['headers_too_large'],
    },
    {
      name: 'chunks in HTTP/1.0',
      stage: 'head',
      request: { version: 'HTTP/1.0', headers: [json, chunked], body: whole, measured: false },
    },
    send('more than the length', 'after', [length(size)], `${body}\0\0`),
    { ...send('less than the length', 'body', [length(size + 9)], body), half: true },
    { ...send('chunks without an end', 'body', [chunked], chunk), half: true },
    {
      ...send('a length of 2^53', 'body', [length('9007199254740993')], body),
      codes: ['body_too_large'],
    },
    {
      ...send('20 KB in chunks', 'body', [chunked], `5000\r\n${'a'.repeat(0x5000)}\r\n0\r\n\r\n`),
      codes: ['body_too_large'],
    },
    send('chunks', 'legal', [chunked], whole),
    send('CHUNKED', 'legal', ['Transfer-Encoding: CHUNKED'], whole),
    send('chunks with an extension', 'legal', [chunked], whole.replace('\r\n', ';a="b"\r\n')),
    send('chunks with a trailer', 'legal', [chunked], `${chunk}0\r\nX: y\r\n\r\n`),
    send(
      'single bytes in chunks',
      'legal',
      [chunked],
      `${body.replaceAll(/[ -~]/g, '1\r\n$&\r\n')}0\r\n\r\n`,
    ),
  ]
}

/** What is not HTTP at all. */
export const garbage: [name: string, bytes: Buffer][] = [
  ['every byte', Buffer.from(Array.from({ length: 256 }, (_, at) => (at * 7 + 131) % 256))],
  ['NULs', Buffer.alloc(1_000)],
  ['a TLS hello', Buffer.from(`16030100c8010000c40303${'ab'.repeat(190)}`, 'hex')],
  ['an HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  ['a PROXY header', Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n')],
  ['a PostgreSQL startup', Buffer.from('0000000804d2162f', 'hex')],
  ['100 KB without a line', Buffer.alloc(100_000, 'a')],
  ['an HTTP answer', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
  ['half a head', Buffer.from('GET /health/live HTTP/1.1\r\nHo')],
  ['HTTP/0.9', Buffer.from('GET /health/live\r\n')],
]
