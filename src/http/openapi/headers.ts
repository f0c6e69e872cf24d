const text = (description: string, example: string, maxLength = 8_192) => ({
  description,
  schema: { type: 'string', maxLength },
  example,
})
const number = (description: string, example: number) => ({
  description,
  schema: { type: 'integer', format: 'int32', minimum: 0, maximum: 2_147_483_647 },
  example,
})

/** The reply headers that a client may read. */
export const headers = {
  'X-Request-Id': text('the id of the request, as in the log', '3k9f0a-1c', 64),
  'RateLimit-Limit': number('requests in the window; on routes with a limit', 30),
  'RateLimit-Remaining': number('requests left in the window', 29),
  'RateLimit-Reset': number('seconds until the window ends', 60),
  'Retry-After': number('seconds to wait before the next try', 1),
  'WWW-Authenticate': text('how to authenticate (RFC 6750, RFC 7617)', 'Bearer realm="gatehouse"'),
  Location: text('where to go next', '/welcome'),
  'Set-Cookie': text('the cookies of a browser; see docs/sessions.md', 'session=…; HttpOnly'),
  'Access-Control-Allow-Origin': text('an origin of `CORS_ORIGINS`', 'https://www.example.org'),
  Allow: text('the methods of the path; with 405', 'GET, HEAD, OPTIONS', 200),
  Link: text(
    'the next page, on lists (RFC 8288)',
    '<https://auth.example.org/api/users?cursor=…>; rel="next"',
  ),
  'X-Total-Count': number('the `total` of a list as CSV; 10000 also if there are more', 41),
  'Cache-Control': text('how long the reply may be kept', 'no-store', 200),
}

export type HeaderName = keyof typeof headers

export const refTo = (name: HeaderName) => ({ $ref: `#/components/headers/${name}` })
