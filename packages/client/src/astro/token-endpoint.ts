import { GatehouseError, loggedOut } from '../errors.js'
import { faultTime, messageOf } from './faults.js'
import { send, type Fetch } from '../send.js'
import { tokensOf, type TokenReply, type Tokens } from '../tokens.js'

export type AppClient = {
  clientId: string
  /** Undefined for a public client. */
  secret: string | undefined
}

type Form = { grant_type: 'authorization_code' | 'refresh_token' } & Record<string, string>

/**
 * Gets tokens as a client of Gatehouse (RFC 6749 §4.1.3, §6).
 * @returns a function that throws a GatehouseError: `invalid_token` if the code or the session is no longer good
 */
export function createTokenEndpoint(
  url: string,
  { clientId, secret }: AppClient,
  now: () => number,
) {
  const endpoint = `${url.replace(/\/+$/, '')}/oauth/token`
  const encode = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')
  const basic = Buffer.from(`${encode(clientId)}:${encode(secret ?? '')}`).toString('base64')
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    ...(secret !== undefined && { authorization: `Basic ${basic}` }),
  }

  let fault: { error: GatehouseError; until: number } | undefined

  return async (form: Form, fetch: Fetch): Promise<Tokens> => {
    // Asking for each visitor would soon meet the limit of Gatehouse, whose answer hides the fault.
    if (fault && now() < fault.until) throw fault.error
    const known = { ...form, ...(secret === undefined && { client_id: clientId }) }
    const init = { method: 'POST', headers, body: new URLSearchParams(known).toString() }
    const isRepeatable = form.grant_type === 'refresh_token'
    const waiting = { timeout: 5_000, maxWait: 2_000, isRepeatable, pause }
    const response = await send(endpoint, init, { ...waiting, fetch }).catch(explain)
    return tokensOf((await response.json()) as TokenReply, now())
  }

  function explain(error: unknown): never {
    if (!(error instanceof GatehouseError)) throw error
    if (error.code === 'invalid_grant') throw loggedOut()
    if (error.code !== 'invalid_client') throw error
    // A wrong secret is no end of the visitor's session, so this one has no status.
    const refusal = new GatehouseError(error.code, messageOf(error.code), { cause: error })
    fault = { error: refusal, until: now() + faultTime }
    throw refusal
  }
}

export type TokenEndpoint = ReturnType<typeof createTokenEndpoint>

const pause = (time: number) => new Promise<void>((resolve) => setTimeout(resolve, time))
