import { ada, bearer, signUp, type LoginAnswer, type TestApp } from './app.js'
import { authenticator, type Authenticator, type Change } from './authenticator.js'
import { poster, type Answer } from './factors.js'

type Service = Pick<TestApp, 'app'>
type Creation = Parameters<Authenticator['create']>[0]
type Request = Parameters<Authenticator['get']>[0]

/** Adds a passkey to a user. */
export async function addPasskey(
  { app }: Service,
  login: LoginAnswer,
  device = authenticator(),
  change: Change = {},
): Promise<Answer> {
  const post = poster(app)
  const { body } = await post('/api/user/passkeys/options', undefined, bearer(login.access_token))
  const credential = device.create(body.options as Creation, change)
  return post('/api/user/passkeys', { credential }, bearer(login.access_token))
}

/** A user with a passkey. */
export async function withPasskey(
  service: Service,
  device = authenticator(),
  account: { email: string; password: string } = ada,
) {
  const login = await signUp(service.app, account)
  const added = await addPasskey(service, login, device)
  if (added.status !== 201) throw new Error(JSON.stringify(added.body))
  const passkey = added.body.passkey as { id: string; name: string }
  return { login, device, passkey, account }
}

export async function optionsOf({ app }: Service, challenge?: string): Promise<Request> {
  const { status, body } = await poster(app)(
    '/api/login/passkey/options',
    challenge === undefined ? undefined : { challenge },
  )
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body.options as Request
}

/** Logs in by a passkey; with `challenge` it is the second factor. */
export async function useOf(
  service: Service,
  device: Authenticator,
  change: Change = {},
  challenge?: string,
): Promise<Answer> {
  const credential = device.get(await optionsOf(service, challenge), change)
  return poster(service.app)('/api/login/passkey', {
    credential,
    ...(challenge !== undefined && { challenge }),
  })
}
