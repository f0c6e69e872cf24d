import type { RawRequest } from '../http/connection.js'
import type { Case, Kit } from './kit.js'

/**
 * The good token itself, sent as no token may be sent (RFC 6750 §2, RFC 9700 §4.3.2). A case that
 * the service took would be answered with the user.
 */
export function places(kit: Kit): Case[] {
  const { good } = kit
  const lines: Record<string, string[]> = {
    ...authorizations(good),
    ...twice(kit),
    ...elsewhere(kit),
  }
  return [
    ...Object.entries(lines).map(([name, headers]): Case => [
      `place: ${name}`,
      { target, headers },
    ]),
    ...Object.entries(requests(good)).map(([name, request]): Case => [`place: ${name}`, request]),
    ...Object.entries(twoCookies(good)).map(([name, cookie]): Case => [
      `place: two cookies, ${name}`,
      { target, headers: [`Cookie: ${cookie}`] },
      'cookies_removed',
    ]),
    ...Object.entries(notHttp(good)).map(([name, headers]): Case => [
      `place: ${name}`,
      { target, headers },
      'bad_request',
    ]),
    ['place: the fragment', { target: `${target}#access_token=${good}` }, 'bad_request'],
  ]
}

const target = '/api/user'

/** One Authorization header that is not `Bearer`, one space, and the token. */
function authorizations(good: string): Record<string, string[]> {
  const values: Record<string, string> = {
    'nothing at all': '',
    'the token alone': good,
    'the scheme alone': 'Bearer',
    'the scheme with a space': 'Bearer ',
    'no space': `Bearer${good}`,
    'two spaces': `Bearer  ${good}`,
    'a tab': `Bearer\t${good}`,
    'a space and a tab': `Bearer \t${good}`,
    'a no-break space': `Bearer\xa0${good}`,
    'a plus': `Bearer+${good}`,
    'an escaped space': `Bearer%20${good}`,
    'a colon': `Bearer: ${good}`,
    'an equals sign': `Bearer=${good}`,
    quotes: `Bearer "${good}"`,
    'angle brackets': `Bearer <${good}>`,
    'a parameter': `Bearer token=${good}`,
    'a comma behind': `Bearer ${good},`,
    'a semicolon behind': `Bearer ${good};`,
    'a word behind': `Bearer ${good} x`,
    'the token twice': `Bearer ${good} ${good}`,
    'the token twice, with a comma': `Bearer ${good},${good}`,
    'two credentials': `Bearer ${good}, Bearer ${good}`,
    'another credential behind': `Bearer ${good}, Basic eDp5`,
    'another credential in front': `Basic eDp5, Bearer ${good}`,
    'the scheme twice': `Bearer Bearer ${good}`,
    'a misspelt scheme': `Bearr ${good}`,
    'the scheme with a byte more': `Bearers ${good}`,
    'the scheme in full width': `\xef\xbc\xa2earer ${good}`,
    'a byte order mark in front': `\xef\xbb\xbfBearer ${good}`,
    'the scheme with a dotless letter': `Bearer\xcc\x87 ${good}`,
    ...Object.fromEntries(
      ['Basic', 'Digest', 'DPoP', 'JWT', 'Token', 'MAC', 'Negotiate', 'OAuth', 'Session'].map(
        (scheme) => [`the scheme ${scheme}`, `${scheme} ${good}`],
      ),
    ),
    'the token as the password': `Basic ${Buffer.from(`x:${good}`).toString('base64')}`,
    'the token as the user': `Basic ${Buffer.from(`${good}:`).toString('base64')}`,
  }
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, [`Authorization: ${value}`]]),
  )
}

/** More than one: which of them counts is a matter of opinion, so none does. */
function twice({ good }: Kit): Record<string, string[]> {
  const line = `Authorization: Bearer ${good}`
  const cookie = `Cookie: session=${good}`
  return {
    'the same header twice': [line, line],
    'in two cases of letters': [line, line.toLowerCase()],
    'with others between': [line, 'Accept: */*', 'X-Other: 1', line],
    'a bad one behind': [line, 'Authorization: Bearer x.y.z'],
    'a bad one in front': ['Authorization: Bearer x.y.z', line],
    'an empty one behind': [line, 'Authorization:'],
    'an empty one in front': ['Authorization:', line],
    'Basic behind': [line, 'Authorization: Basic eDp5'],
    'Basic in front': ['Authorization: Basic eDp5', line],
    'two empty ones and the cookie': ['Authorization:', 'Authorization:', cookie],
    'three times': [line, line, line],
    'a bad token and the cookie': ['Authorization: Bearer x.y.z', cookie],
    'Basic and the cookie': ['Authorization: Basic eDp5', cookie],
    'an empty header and the cookie': ['Authorization:', cookie],
    'the scheme alone and the cookie': ['Authorization: Bearer', cookie],
    'garbage and the cookie': ['Authorization: \xff\xfe', cookie],
  }
}

const headerNames = [
  ...['X-Access-Token', 'X-Authorization', 'X-Auth-Token', 'Proxy-Authorization'],
  ...['Authentication', 'X-Forwarded-Authorization', 'X-Original-Authorization', 'Authorization_'],
  ...['X-Api-Key', 'Token', 'HTTP_AUTHORIZATION', 'Sec-WebSocket-Protocol', 'DPoP'],
  ...['X-JWT-Assertion', 'session', '__proto__'],
]

const cookieNames = [
  ...['Session', 'SESSION', 'session_', '_session', 'sessions', 'session[]', 'session.sig'],
  ...['sess', '__Host-session', '__Secure-session', 'session%00', '%73ession', 'token'],
  ...['access_token', 'jwt', 'refresh', 'Authorization', 'authorization', 'bearer', 'sid'],
  ...['connect.sid', '__proto__', ''],
]

/** Other headers, and other cookies than `session`. */
function elsewhere({ good, refresh }: Kit): Record<string, string[]> {
  return {
    nowhere: [],
    ...Object.fromEntries(
      headerNames.flatMap((name) => [
        [`the header ${name}`, [`${name}: Bearer ${good}`]],
        [`the header ${name}, without the scheme`, [`${name}: ${good}`]],
      ]),
    ),
    ...Object.fromEntries(
      cookieNames.map((name) => [`the cookie "${name}"`, [`Cookie: ${name}=${good}`]]),
    ),
    'the cookie session, with the scheme': [`Cookie: session=Bearer ${good}`],
    'the cookie session, empty': ['Cookie: session='],
    'the cookie session, without a value': ['Cookie: session'],
    'the cookie session, a signed one': [`Cookie: session=s:${good}.x`],
    'the cookie session, JSON': [`Cookie: session=j:{"token":"${good}"}`],
    'the cookie session, a bad escape': [`Cookie: session=%E0%A4%A; refresh=${refresh}`],
    'the cookie session, the refresh token': [`Cookie: session=${refresh}; refresh=${refresh}`],
    'the value of another cookie': [`Cookie: x="session=${good}"`],
    'the header Set-Cookie': [`Set-Cookie: session=${good}`],
    'the header Cookie2': [`Cookie2: session=${good}`],
  }
}

/** Two cookies of one name are no session, whatever they hold: the browser removes both. */
function twoCookies(good: string): Record<string, string> {
  const [header = '', payload = '', signature = ''] = good.split('.')
  return {
    'a bad one in front': `session=x.y.z; session=${good}`,
    'a bad one behind': `session=${good}; session=x.y.z`,
    'the same': `session=${good}; session=${good}`,
    'cut in two': `session=${header}.${payload}; session=.${signature}`,
  }
}

/** The query, the body, the address, the trailer. */
function requests(good: string): Record<string, RawRequest> {
  const line = `Authorization: Bearer ${good}`
  const typed = (type: string, body: string): RawRequest => ({
    target,
    headers: [`Content-Type: ${type}`],
    body,
  })
  const queries = ['access_token', 'token', 'jwt', 'session', 'authorization', 'bearer', 'auth', '']
  return {
    ...Object.fromEntries(
      queries.map((name) => [`the query ${name}`, { target: `${target}?${name}=${good}` }]),
    ),
    'the query Authorization with the scheme': {
      target: `${target}?Authorization=Bearer%20${good}`,
    },
    'the user of the address': { target: `http://${good}@localhost${target}` },
    'a JSON body': typed('application/json', JSON.stringify({ access_token: good, token: good })),
    'a form': typed('application/json', `access_token=${good}`),
    'the trailer': {
      target,
      headers: [
        'Transfer-Encoding: chunked',
        'Trailer: Authorization',
        'Content-Type: application/json',
      ],
      body: `2\r\n{}\r\n0\r\n${line}\r\n\r\n`,
      measured: false,
    },
    'the header X-HTTP-Method-Override': { target, headers: ['X-HTTP-Method-Override: OPTIONS'] },
  }
}

/** What no HTTP parser may let through (RFC 9112 §5, §2.2). */
function notHttp(good: string): Record<string, string[]> {
  return {
    'a null byte in the value': [`Authorization: Bearer ${good}\0`],
    'a null byte after the scheme': [`Authorization: Bearer\0${good}`],
    'a bell in the value': [`Authorization: Bearer \x07${good}`],
    'an escape in the value': [`Authorization: Bearer ${good}\x1b[0m`],
    'a delete in the value': [`Authorization: Bearer ${good}\x7f`],
    'a bare CR in the value': [`Authorization: Bearer ${good}\rX: 1`],
    'a space before the colon': [`Authorization : Bearer ${good}`],
    'a tab before the colon': [`Authorization\t: Bearer ${good}`],
    'a space in the name': [`Author ization: Bearer ${good}`],
    'a null byte in the name': [`Authorization\0: Bearer ${good}`],
    'no colon': [`Authorization Bearer ${good}`],
    'a name of nothing': [`: Bearer ${good}`],
    'a folded line': [`Authorization: Bearer`, ` ${good}`],
    'a folded first line': [` Authorization: Bearer ${good}`],
  }
}
