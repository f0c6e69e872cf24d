import t from 'tap'
import { testApp } from '../../support/app.js'
import { authenticator } from '../../support/authenticator.js'
import { useOf, withPasskey } from '../../support/passkeys.js'

const related = 'https://www.example.com'
const env = {
  RELATED_ORIGINS: `${related},https://shop.example`,
  CORS_ORIGINS: 'https://cors.example',
}

t.test('browsers learn which origins may use the passkeys', async (t) => {
  for (const [settings, origins] of [
    [env, [related, 'https://shop.example']],
    [{ CORS_ORIGINS: related }, []],
  ] as const) {
    const { app } = await testApp(t, { env: settings })
    const answer = await app.inject({ url: '/.well-known/webauthn' })
    t.equal(answer.statusCode, 200)
    t.match(answer.headers['content-type'], /^application\/json\b/)
    t.strictSame(answer.json(), { origins })
  }
})

t.test('a passkey is added and used on a related origin', async (t) => {
  const service = await testApp(t, { env })
  const { device } = await withPasskey(service, authenticator({ origin: related }))
  t.equal((await useOf(service, device)).status, 200)
  t.equal((await useOf(service, device, { origin: 'https://shop.example' })).status, 200)
  t.equal((await useOf(service, device, { origin: 'http://localhost:3000' })).status, 200)
})

t.test('no other origin is accepted, and none of CORS_ORIGINS', async (t) => {
  const service = await testApp(t, { env })
  const { device } = await withPasskey(service)
  for (const origin of [
    'https://cors.example',
    'https://example.com',
    'https://www.example.com:8443',
    'http://www.example.com',
    'https://www.example.com/',
    'https://www.example.com.evil.example',
    'https://evil.example',
    `${related},https://shop.example`,
    'null',
  ]) {
    const refused = await useOf(service, device, { origin })
    t.equal(refused.status, 400, origin)
    t.equal(refused.body.code, 'invalid_passkey', origin)
  }
  for (const client of [{ crossOrigin: true }, { topOrigin: related }]) {
    const framed = await useOf(service, device, { origin: related, client })
    t.equal(framed.status, 400, JSON.stringify(client))
  }
})
