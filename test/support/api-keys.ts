import type { ApiKey } from '../../src/features/api-keys/schemas.js'
import { bearer, type TestApp } from './app.js'

export type CreatedKey = { key: string; api_key: ApiKey }

/** What the user of an access token sends to get a key. */
export const askForKey = ({ app }: Pick<TestApp, 'app'>, token: string, body: object = {}) =>
  app.inject({
    method: 'POST',
    url: '/api/user/api-keys',
    headers: bearer(token),
    payload: { name: 'backup', ...body },
  })

export async function createKey(
  service: Pick<TestApp, 'app'>,
  token: string,
  body: object = {},
): Promise<CreatedKey> {
  const answer = await askForKey(service, token, body)
  if (answer.statusCode !== 201) throw new Error(answer.body)
  return answer.json<CreatedKey>()
}
