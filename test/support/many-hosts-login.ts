import { ada } from './app.js'
import { send } from './many-hosts.js'

const cookieOf = ({ headers }: Awaited<ReturnType<typeof send>>) =>
  [headers['set-cookie'] ?? []]
    .flat()
    .map((line) => line.split(';')[0])
    .join('; ')

/** Opens an address without a browser. */
async function open(url: string, cookie = '') {
  const { origin, pathname, search } = new URL(url)
  const headers = { accept: 'text/html', ...(cookie && { cookie }) }
  return send(origin, pathname + search, { headers })
}

/** Logs in, and to the host of an app. @returns the cookie there */
export async function logInTo(app: string, auth: string): Promise<string> {
  const login = await send(auth, '/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ada),
  })
  const begun = await open(`${app}/forward-auth/login`)
  const admitted = await open(String(begun.headers.location), cookieOf(login))
  return cookieOf(await open(String(admitted.headers.location), cookieOf(begun)))
}
