type Login = { begin: () => Response; finish: () => Promise<Response> }

/** What the middleware hands to the routes of the integration, by the `locals` of the request. */
export const logins = new WeakMap<object, Login>()

/** @throws Error without the middleware, as in a build */
export function loginOf({ locals }: { locals: object }): Login {
  const login = logins.get(locals)
  if (!login) throw new Error('The middleware of @gatehouse/client did not run')
  return login
}
