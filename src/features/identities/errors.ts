import { AppError } from '../../errors.js'

/**
 * What a provider did wrong, as the client hears of it: that it could not be asked, or that it did
 * not vouch for whoever came back. The log has the rest.
 * @throws AppError `provider_failed`, `provider_refused`
 */
export function providerError(error: unknown): never {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AppError) throw cause
  }
  throw new AppError('provider_refused', { cause: error })
}
