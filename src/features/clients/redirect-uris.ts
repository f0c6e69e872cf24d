import { invalidField } from '../../errors.js'

const field = 'redirect_uri'
const isLoopback = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/

/**
 * Checks a redirect URI before it is registered. It must be written as a browser writes it, because requests are
 * compared with the exact text (RFC 9700 §4.1.3).
 * @throws AppError `validation_failed`
 */
export function checkRedirectUri(uri: string): void {
  if (uri.length > 500 || !/^[\x21-\x7e]+$/.test(uri) || !URL.canParse(uri))
    throw invalidField(field, 'must be an absolute URL of at most 500 ASCII characters')
  const { protocol, hostname, username, password, href } = new URL(uri)
  if (uri.includes('#')) throw invalidField(field, 'must not have a fragment')
  if (username !== '' || password !== '') throw invalidField(field, 'must not have a user')
  const isAllowed = protocol === 'https:' || (protocol === 'http:' && isLoopback.test(hostname))
  if (!isAllowed)
    throw invalidField(
      field,
      'must use https, or http on localhost, a name below .localhost or a loopback address',
    )
  if (href !== uri) throw invalidField(field, `must be written as ${href}`)
}
