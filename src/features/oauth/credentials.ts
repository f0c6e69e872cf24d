import { ownClientId } from '@gatehouse/verify/protocol'
import type { FastifyRequest } from 'fastify'
import { invalidClient, type Credentials } from '../clients/credentials.js'
import { invalidField } from '../../errors.js'

type Form = { client_id?: string; client_secret?: string }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the credentials of a client: from the Authorization header (`client_secret_basic`) or the form
 * (`client_secret_post`), never both. A public client sends its name alone. Returns undefined for an application of
 * Gatehouse's own logins: it may send no `client_id`, or `gatehouse`.
 * @throws AppError `invalid_client`, `validation_failed`
 */
export function readCredentials(
  { headers, raw }: FastifyRequest,
  form: Form,
): Credentials | undefined {
  const { client_id, client_secret } = form
  if (headers.authorization === undefined) return fromForm(form)
  const count = raw.rawHeaders.filter((name, at) => at % 2 === 0 && /^authorization$/i.test(name))
  if (count.length !== 1) throw invalidField('authorization', 'must not be repeated')
  if (client_secret !== undefined)
    throw invalidField('client_secret', 'must not be sent with an Authorization header')
  const credentials = fromHeader(headers.authorization)
  if (client_id !== undefined && client_id !== credentials.client_id) {
    throw invalidField('client_id', 'must name the client of the Authorization header')
  }
  return credentials
}

function fromForm({ client_id, client_secret }: Form): Credentials | undefined {
  if (client_secret === undefined) {
    return client_id === undefined || client_id === ownClientId ? undefined : { client_id }
  }
  if (client_id === undefined) throw invalidField('client_id', 'is required')
  return { client_id, client_secret }
}

/** RFC 6749 §2.3.1: name and secret are each form-encoded, then joined and encoded as in RFC 7617. */
function fromHeader(header: string): Credentials {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1]
  if (encoded === undefined) throw invalidClient()
  try {
    const text = utf8.decode(Buffer.from(encoded, 'base64'))
    const [, name = '', secret = ''] = /^([^:]*):(.*)$/s.exec(text) ?? []
    return { client_id: decodeForm(name), client_secret: decodeForm(secret) }
  } catch (cause) {
    throw invalidClient(cause)
  }
}

/** @throws URIError */
const decodeForm = (text: string) => decodeURIComponent(text.replaceAll('+', ' '))
