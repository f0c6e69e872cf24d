import { isOfClient, type AccessClaims } from '@gatehouse/verify/protocol'

/**
 * Who asks, for the app behind the proxy. Every header is there every time, empty where there is
 * nothing to say: in the place of one that is missing a proxy may leave what the client wrote.
 * `Remote-User` is the id, which is never reassigned, and which every user has. `Remote-Email` is verified:
 * tokens of older versions carry unverified addresses, without `email_verified`. A client is no user: only
 * its roles are told.
 */
export function identityHeaders(claims: AccessClaims) {
  const { sub, email, email_verified, name, username, roles } = claims
  const groups = headerText(roles.join())
  if (isOfClient(claims)) return headersOf('', '', '', groups)
  const address = headerText(email_verified ? email : undefined)
  return headersOf(sub, address, headerText(name ?? username), groups)
}

const headersOf = (user: string, email: string, name: string, groups: string) => ({
  'remote-user': user,
  'remote-email': email,
  'remote-name': name,
  'remote-groups': groups,
})

/**
 * A text as a header may carry it: printable ASCII as it is, all else and `%` percent-encoded UTF-8,
 * and so is a space at either end, which a reader of headers would drop (RFC 9110 §5.5).
 */
const headerText = (text = '') =>
  text.toWellFormed().replace(/[^ -~]|%|^ | $/gu, (character) => encodeURIComponent(character))
