import t from 'tap'
import { onPost } from '../../packages/client/src/astro/forms.js'
import { GatehouseError } from '../../packages/client/src/errors.js'

/** Posts a form whose handler fails. */
function post(error: unknown, texts: Record<string, string> = {}) {
  const body = new FormData()
  for (const [name, text] of Object.entries(texts)) body.append(name, text)
  const request = new Request('https://site.example/', { method: 'POST', body })
  return onPost({ request }, () => Promise.reject(error as Error), ['identifier', 'none'])
}

t.test('a form shows what its visitor can do better, and no fault of the site', async (t) => {
  const refusal = new GatehouseError('invalid_credentials', 'Invalid credentials')
  const texts = { identifier: 'ada', password: 'wrong' }
  t.strictSame(await post(refusal, texts), {
    fault: 'Invalid credentials',
    kept: { identifier: 'ada' },
  })
  for (const code of ['invalid_client', 'invalid_attestation'] as const)
    await t.rejects(post(new GatehouseError(code, code)), { code })
})

t.test('only a factor that a form can ask for gives a challenge', async (t) => {
  const needs = (...methods: string[]) =>
    post(new GatehouseError('second_factor_required', '', { challenge: 'x', methods }))
  const methods = ['totp', 'recovery_code', 'passkey']
  t.strictSame(await needs(...methods), { challenge: 'x', methods, kept: {} })
  for (const [method, fault] of [
    ['enrol_totp', /needs a second factor/],
    ['passkey', /passkey/],
  ] as const)
    t.match(await needs(method), { challenge: undefined, methods: [method], fault })
})
