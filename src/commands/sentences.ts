import { ConfigError } from '../config/load.js'
import { AppError, OperatorError, type ErrorCode } from '../errors.js'

const labels: Record<string, string> = { email: 'e-mail address', mobile: 'mobile number' }

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
export function sentenceOf(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message
  if (error instanceof OperatorError) return withPeriod(error.message)
  if (!(error instanceof AppError)) return undefined
  if (error.fields?.length) return error.fields.map(fieldSentence).join(' ')
  const { cause } = error
  return withPeriod(cause instanceof Error ? `${error.message} (${cause.message})` : error.message)
}

/** Some messages continue a sentence that begins with the field; others are whole sentences. */
function fieldSentence({ field, message }: { field: string; message: string }): string {
  const isWhole = /^\p{Lu}/u.test(message)
  return withPeriod(isWhole ? message : `The ${labels[field] ?? field} ${message}`)
}

const withPeriod = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)
