import type { ApiKey } from '../../src/features/api-keys/schemas.js'
import { bearer, type TestApp } from './app.js'
import { post } from './oauth.js'

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

/** What a script sends to `/oauth/token` (RFC 8693 §2.1). */
export const exchangeForm = (subject_token: string) => ({
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
})

/** An access token for a key. */
export async function exchangeKey(app: TestApp['app'], key: string): Promise<string> {
  const answer = await post(app, 'token', exchangeForm(key))
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json<{ access_token: string }>().access_token
}
