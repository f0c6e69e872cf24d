import { fastifyToken } from '@gatehouse/verify'
import Fastify from 'fastify'
import t from 'tap'
import { ada, bearer, listeningApp } from '../support/app.js'
import { enrolled, poster } from '../support/factors.js'
import { startVerifier } from '../support/verifier.js'

const challenge =
  'Bearer error="insufficient_user_authentication", ' +
  'error_description="A login with a second factor is required", acr_values="mfa"'

t.test('mfa refuses a token of a login without a second factor (RFC 9470 §3)', async (t) => {
  const service = await listeningApp(t)
  const user = await enrolled(service, ada)
  const weak = user.login.access_token
  const { body } = await user.begin()
  const code = await user.code()
  const post = poster(service.app)
  const done = await post('/api/login/verify', { challenge: body.challenge, code })
  const strong = String(done.body.access_token)
  const verifier = startVerifier(t, service.origin)
  await verifier.ready
  const verify = async (token: string) => verifier.verify(token, { mfa: true })
  const refusal = {
    code: 'insufficient_user_authentication',
    statusCode: 401,
    headers: { 'www-authenticate': challenge },
  }
  await t.rejects(verify(weak), refusal)
  t.match(await verify(strong), { amr: ['pwd', 'otp', 'mfa'] })
  await t.rejects(async () => verifier.verify(strong, { mfa: true, maxAge: -1 }), RangeError)
  t.match(await verifier.verify(weak, { mfa: false }), { amr: ['pwd'] })

  const guarded = Fastify()
  guarded.get('/', { preHandler: fastifyToken(verifier, { mfa: true }) }, () => 'in')
  t.teardown(() => guarded.close())
  const statusOf = async (token: string) =>
    (await guarded.inject({ url: '/', headers: bearer(token) })).statusCode
  t.equal(await statusOf(weak), 401)
  t.equal(await statusOf(strong), 200)
})
