/** The parameters of an authorization request that count. Others are ignored (RFC 6749 §3.1). */
export const parameterNames = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'code_challenge',
  'code_challenge_method',
  'prompt',
  'max_age',
  'acr_values',
] as const

type Name = (typeof parameterNames)[number]

/**
 * The errors of an authorization request that the client learns (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6,
 * RFC 9470 §5).
 */
export type AuthorizationError =
  | 'invalid_request'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'login_required'
  | 'unmet_authentication_requirements'

/** The value of `acr_values` that asks for a login with a second factor. It is the one in `amr` (RFC 8176). */
export const secondFactorAcr = 'mfa'

/** An authorization request. `fault` is set if the client has to correct it. */
export type AuthorizationRequest = {
  parameters: Partial<Record<Name, string>>
  state: string | undefined
  code_challenge: string
  prompt: 'none' | 'login' | undefined
  /** The maximum age of the login, in seconds. */
  maxAge: number | undefined
  /** Whether the login must have a second factor. */
  needsFactor: boolean
  fault?: { error: AuthorizationError; description: string }
}

/** SHA-256 in base64url. */
const isChallenge = /^[A-Za-z0-9_-]{43}$/
const isSeconds = /^[0-9]{1,9}$/

/** Returns the value of a parameter that is there exactly once. An empty value counts as none. */
export function readOnce(query: URLSearchParams, name: string): string | undefined {
  const [value, another] = query.getAll(name)
  return another === undefined && value ? value : undefined
}

/** Reads the parameters of a request. The caller has proven client and redirect URI. */
export function readRequest(query: URLSearchParams): AuthorizationRequest {
  const parameters: Partial<Record<Name, string>> = {}
  for (const name of parameterNames) {
    const value = readOnce(query, name)
    if (value !== undefined) parameters[name] = value
  }
  const { state, code_challenge = '', prompt, max_age, acr_values } = parameters
  const fault = findFault(query, parameters)
  return {
    parameters,
    state: state !== undefined && isText(state) ? state : undefined,
    code_challenge,
    prompt: prompt === 'none' || prompt === 'login' ? prompt : undefined,
    maxAge: max_age === undefined ? undefined : Number(max_age),
    needsFactor: acr_values !== undefined,
    ...(fault && { fault }),
  }
}

function findFault(
  query: URLSearchParams,
  parameters: AuthorizationRequest['parameters'],
): AuthorizationRequest['fault'] {
  const invalid = (description: string) => ({ error: 'invalid_request' as const, description })
  for (const name of parameterNames) {
    if (query.getAll(name).length > 1) return invalid(`${name} must not be repeated`)
    if (!isText(parameters[name] ?? '')) return invalid(`${name} must be valid UTF-8 without NUL`)
  }
  const { response_type, response_mode, scope, code_challenge, code_challenge_method } = parameters
  const { prompt, max_age, acr_values } = parameters
  if (response_type === undefined) return invalid('response_type is required')
  if (response_type !== 'code')
    return { error: 'unsupported_response_type', description: 'response_type must be code' }
  if (response_mode !== undefined && response_mode !== 'query')
    return invalid('response_mode must be query')
  if (scope !== undefined)
    return { error: 'invalid_scope', description: 'scopes are not supported: remove scope' }
  if (code_challenge === undefined) return invalid('code_challenge is required')
  if (code_challenge_method !== 'S256') return invalid('code_challenge_method must be S256')
  if (!isChallenge.test(code_challenge)) return invalid('code_challenge must be 43 characters')
  if (prompt !== undefined && prompt !== 'none' && prompt !== 'login')
    return invalid('prompt must be none or login')
  if (max_age !== undefined && !isSeconds.test(max_age))
    return invalid('max_age must be a whole number of seconds')
  // One of the values is enough. None may be taken for met that is not known here.
  if (acr_values !== undefined && !acr_values.split(' ').includes(secondFactorAcr))
    return {
      error: 'unmet_authentication_requirements',
      description: `acr_values must have ${secondFactorAcr}`,
    }
  return undefined
}

/** Whether a login that leads back to the path of an authorization request must have a second factor. */
export const asksForFactor = (path: string): boolean =>
  readOnce(new URLSearchParams(path.split('?').slice(1).join('?')), 'acr_values') !== undefined

/** A replacement character stands for percent-encoded bytes that are not UTF-8. */
const isText = (text: string) => !text.includes('\0') && !text.includes('\ufffd')
