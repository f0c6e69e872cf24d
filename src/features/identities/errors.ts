import { AppError } from '../../errors.js'

/**
 * Rethrows an error of a login by a provider as an AppError. If its causes contain no AppError, the
 * provider did not confirm the user: `provider_refused`. The reply has only the code; the log has the cause.
 * @throws AppError `provider_failed`, `provider_refused`
 */
export function providerError(error: unknown): never {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AppError) throw cause
  }
  throw new AppError('provider_refused', { cause: error })
}
