import { isOfClient, type AccessClaims } from '@gatehouse/verify/protocol'

/**
 * The headers that tell an app behind the proxy which user sent the request. All four are always set,
 * empty if there is no value: a proxy may forward the client's own header in place of a missing one.
 * `Remote-User` is the user's id, which is never reassigned. `Remote-Email` is set only if
 * `email_verified` is, because tokens of older versions contain unverified addresses. For a client (another
 * service) only its roles are set.
 */
export function identityHeaders(claims: AccessClaims) {
  const { sub, email, email_verified, name, username, roles } = claims
  const groups = headerText(roles.join())
  if (isOfClient(claims)) return identityHeadersOf('', '', '', groups)
  const address = headerText(email_verified ? email : undefined)
  return identityHeadersOf(sub, address, headerText(name ?? username), groups)
}

const identityHeadersOf = (user: string, email: string, name: string, groups: string) => ({
  'remote-user': user,
  'remote-email': email,
  'remote-name': name,
  'remote-groups': groups,
})

/**
 * Encodes a text for a header. Printable ASCII stays. `%`, other characters, and a space at either end become
 * percent-encoded UTF-8, because recipients would trim such a space (RFC 9110 §5.5).
 */
const headerText = (text = '') =>
  text.toWellFormed().replace(/[^ -~]|%|^ | $/gu, (character) => encodeURIComponent(character))
