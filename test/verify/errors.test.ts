import t from 'tap'
import { refusal } from '../../packages/verify/src/errors.js'
import { AppError } from '../../src/errors.js'

t.test('a refusal has the status and the message of the same error of the service', async (t) => {
  const codes = ['invalid_token', 'token_stale', 'forbidden', 'unavailable'] as const
  for (const code of codes) {
    const { statusCode, message } = new AppError(code)
    t.match(refusal(code), { code, statusCode, message })
  }
})
