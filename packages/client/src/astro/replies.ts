/** The replies of the integration itself. */

export const redirectTo = (location: string) =>
  new Response(null, { status: 303, headers: { location } })

export const unavailable = () =>
  new Response('Please try again in a moment.', { status: 503, headers: { 'retry-after': '2' } })

export const misconfigured = () =>
  new Response('There is a fault in the configuration of the site.', { status: 500 })

/** In the words of Gatehouse, which would answer it. */
export const tooLarge = () =>
  Response.json(
    { status: 'error', code: 'body_too_large', message: 'The body is too large' },
    { status: 413 },
  )

/** A page with a link to start again. The address of this page has a code, which no other site may learn. */
export function sendProblem(status: number, text: string, link: string): Response {
  const href = link.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in</title>
<main><h1>Log in</h1><p role="alert">${text}</p><p><a href="${href}">Start again</a></p></main>
</html>
`
  const headers = {
    'cache-control': 'private, no-store',
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
  }
  return new Response(html, { status, headers })
}

/** The headers of some replies cannot be changed. */
export function withoutCaching(reply: Response): Response {
  try {
    reply.headers.set('cache-control', 'private, no-store')
    return reply
  } catch {
    const copy = new Response(reply.body, reply)
    copy.headers.set('cache-control', 'private, no-store')
    return copy
  }
}
