import { ConfigError } from '../config/load.js'
import { AppError, OperatorError, type ErrorCode } from '../errors.js'
import { sentenceOf } from '../http/sentences.js'

/** Replaces the errors of `work` with these codes by sentences about the arguments of a command. */
export async function withSentences<Result>(
  work: Promise<Result>,
  sentences: Partial<Record<ErrorCode, string>>,
): Promise<Result> {
  try {
    return await work
  } catch (error) {
    const sentence = error instanceof AppError ? sentences[error.code] : undefined
    throw sentence === undefined ? error : new OperatorError(sentence, { cause: error })
  }
}

/** The sentences about identifiers that another user has. */
export const takenSentences = (user: { username?: string; email?: string; mobile?: string }) => ({
  username_taken: `The username ${String(user.username)} is already used.`,
  email_taken: `The e-mail address ${String(user.email)} is already used.`,
  mobile_taken: `The mobile number ${String(user.mobile)} is already used.`,
})

/** What a command prints about an error that the operator can fix; undefined for a bug. */
export function describeError(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message
  if (error instanceof OperatorError) return withPeriod(error.message)
  if (!(error instanceof AppError)) return undefined
  if (error.fields?.length) return error.fields.map(sentenceOf).join(' ')
  const { cause } = error
  return withPeriod(cause instanceof Error ? `${error.message} (${cause.message})` : error.message)
}

const withPeriod = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)
