import { ownClientId } from '@gatehouse/verify/protocol'
import type { FastifyRequest } from 'fastify'
import { invalidClient, type Credentials } from '../clients/credentials.js'
import { invalidField } from '../../errors.js'

type Form = { client_id?: string; client_secret?: string }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * By which client a request says that it was made: in one Authorization header (`client_secret_basic`)
 * or in its form (`client_secret_post`), never both. Undefined for who has no secret: the applications
 * of users, which may call themselves by the name in their tokens.
 * @throws AppError `invalid_client`, `validation_failed`
 */
export function readCredentials(
  { headers, raw }: FastifyRequest,
  form: Form,
): Credentials | undefined {
  const { client_id, client_secret } = form
  if (headers.authorization === undefined) return ofForm(form)
  const count = raw.rawHeaders.filter((name, at) => at % 2 === 0 && /^authorization$/i.test(name))
  if (count.length !== 1) throw invalidField('authorization', 'is there twice')
  if (client_secret !== undefined) throw invalidField('client_secret', 'is there twice')
  const credentials = ofHeader(headers.authorization)
  if (client_id !== undefined && client_id !== credentials.client_id) {
    throw invalidField('client_id', 'is another one than in Authorization')
  }
  return credentials
}

function ofForm({ client_id, client_secret }: Form): Credentials | undefined {
  if (client_secret === undefined) {
    if (client_id !== undefined && client_id !== ownClientId) throw invalidClient()
    return undefined
  }
  if (client_id === undefined) throw invalidField('client_id', 'is required')
  return { client_id, client_secret }
}

/** RFC 6749 §2.3.1: name and secret, each encoded as in a form, then as RFC 7617 says. */
function ofHeader(header: string): Credentials {
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
