import type { ErrorCode, FieldError } from './api.js'

/**
 * `network` and `timeout` come from the client itself, when no answer arrived. The last two are answers to a
 * login by redirect.
 */
export type Code =
  ErrorCode | 'network' | 'timeout' | 'invalid_request' | 'unmet_authentication_requirements'

type Details = {
  status?: number
  errors?: FieldError[]
  /** Seconds. */
  retryAfter?: number
  requestId?: string
  challenge?: string
  methods?: string[]
  cause?: unknown
}

/** The error of every call. Compare its `code`, which is stable; `message` is for people. */
export class GatehouseError extends Error {
  override readonly name = 'GatehouseError'
  readonly code: Code
  /** 0 without an answer. */
  readonly status: number
  /** The fault of each invalid field. */
  readonly errors: FieldError[]
  /** After how many seconds to try again, if the service says it. */
  readonly retryAfter: number | undefined
  /** `reqId` in the log of the service. */
  readonly requestId: string | undefined
  /** With `second_factor_required`: what `verifyLogin` takes beside the code. */
  readonly challenge: string | undefined
  /** With `second_factor_required`: `totp` and `recovery_code`, or `enrol_totp`. */
  readonly methods: string[]

  constructor(code: Code, message: string, details: Details = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.status = details.status ?? 0
    this.errors = details.errors ?? []
    this.retryAfter = details.retryAfter
    this.requestId = details.requestId
    this.challenge = details.challenge
    this.methods = details.methods ?? []
  }
}

export const loggedOut = () => new GatehouseError('invalid_token', 'Not logged in', { status: 401 })

/** The error of a failed answer. An answer of a proxy has no code, so its status says what it means. */
export async function errorOf(response: Response): Promise<GatehouseError> {
  const { status, headers } = response
  const body: unknown = await response.json().catch(() => undefined)
  const fields = (body ?? {}) as Partial<Record<string, unknown>>
  // The OAuth endpoints have names of their own (RFC 6749 §5.2).
  const { code = fields.error, message = fields.error_description } = fields
  const { errors, challenge, methods } = fields
  const retryAfter = Number(headers.get('retry-after') ?? NaN)
  const requestId = headers.get('x-request-id')
  return new GatehouseError(
    typeof code === 'string' ? (code as Code) : codeOf(status),
    typeof message === 'string' ? message : `The service answered ${String(status)}`,
    {
      status,
      ...(Array.isArray(errors) && { errors: errors as FieldError[] }),
      ...(retryAfter >= 0 && { retryAfter }),
      ...(requestId !== null && { requestId }),
      ...(typeof challenge === 'string' && { challenge }),
      ...(Array.isArray(methods) && { methods: methods as string[] }),
    },
  )
}

function codeOf(status: number): ErrorCode {
  if (status === 401) return 'invalid_token'
  if (status === 413) return 'body_too_large'
  if (status === 429) return 'rate_limited'
  if (status >= 502 && status <= 504) return 'unavailable'
  return status >= 500 ? 'internal' : 'bad_request'
}
