import { requireToken } from '@gatehouse/verify'
import type { Algorithm } from '@gatehouse/verify/protocol'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { generateKey } from '../../src/features/tokens/key-pair.js'
import { confused, relabelled, unsigned } from '../support/forgeries/algorithms.js'
import { claims } from '../support/forgeries/claims.js'
import { encodings } from '../support/forgeries/encodings.js'
import { headerMembers, kids, tokenTypes } from '../support/forgeries/headers.js'
import { genuine, type Case, type Kit } from '../support/forgeries/kit.js'
import { revoked } from '../support/forgeries/lifecycle.js'
import { places } from '../support/forgeries/places.js'
import { listenWithKeys, send } from '../support/forgeries/service.js'
import { shapes } from '../support/forgeries/shapes.js'
import { signatures } from '../support/forgeries/signatures.js'
import { spellings } from '../support/forgeries/spellings.js'
import { until } from '../support/until.js'
import { listen } from '../support/listen.js'
import { startVerifier } from '../support/verifier.js'

const tables = [
  ...[unsigned, relabelled, confused, kids, headerMembers, tokenTypes],
  ...[signatures, shapes, spellings, encodings, claims],
]
const all: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']
const newKeys = async () =>
  Object.fromEntries(
    (await Promise.all(all.map(generateKey))).map((pair) => [pair.algorithm, pair]),
  ) as Kit['keys']
const [keys, strangers] = await Promise.all([newKeys(), newKeys()])

for (const algorithm of all.slice(0, 3)) {
  t.test(`${algorithm}: no forged token passes a verifier either`, async (t) => {
    const service = await listenWithKeys(t, algorithm, { keys, stranger: strangers[algorithm] })
    const { kit, origin, canaryHits } = service
    const now = () => new Date(kit.now * 1_000)
    const verifier = startVerifier(t, origin, { now, maxStale: 60_000 })
    const { verdict, ready } = verifier
    await ready

    const refuse = async (t: Test, cases: Case[]) => {
      const texts = cases.flatMap(([name, sent, code]) =>
        typeof sent === 'string' ? [{ name, sent, code }] : [],
      )
      const heard = await Promise.all(texts.map(({ sent }) => verdict(sent)))
      for (const [at, { name, code }] of texts.entries()) {
        t.equal(heard[at], code === 'token_stale' ? code : 'invalid_token', name)
      }
      t.ok(texts.length > 5)
    }

    for (const table of tables) await t.test(table.name, (t) => refuse(t, table(kit)))
    await t.test('revoked', async (t) => {
      const cases = await revoked(service, kit)
      await until(async () => {
        const heard = await Promise.all(cases.map(([, sent]) => verdict(sent as string)))
        return !heard.includes('good')
      }, 'the verifier to hear of it')
      await refuse(t, cases)
    })

    const issue = genuine(kit)
    const withClaims = (changed: object) => issue({ payload: { ...kit.claims, ...changed } })
    const close = {
      'the good token': kit.good,
      'signed by the test': issue({}),
      'under a new jti': withClaims({ jti: randomUUID() }),
      'one second to live': withClaims({ exp: kit.now + 1 }),
      'the longest life': withClaims({ exp: kit.now + kit.ttl }),
      'issued five seconds ahead': withClaims({ iat: kit.now + 5 }),
      'a claim more': withClaims({ scope: 'all' }),
      'the whole media type': issue({ header: { ...kit.header, typ: 'application/at+jwt' } }),
    }
    for (const [name, token] of Object.entries(close)) t.equal(await verdict(token), 'good', name)
    t.equal(canaryHits(), 0, 'no address in a token was followed')
    for (const odd of [undefined, null, 5, {}, [kit.good], Buffer.from(kit.good)]) {
      t.equal(await verdict(odd as never), 'invalid_token', typeof odd)
    }
  })
}

t.test('a token that is sent as none may be sent opens nothing', async (t) => {
  const service = await listenWithKeys(t, 'ES256', { keys, stranger: strangers.ES256 })
  const { kit } = service
  const now = () => new Date(kit.now * 1_000)
  const verifier = startVerifier(t, service.origin, { now })
  await verifier.ready
  const guard = requireToken(verifier)
  const server = createServer((request, response) =>
    guard(request, response, () => response.end('in')),
  )
  const origin = await listen(t, server)
  t.match(await send(origin, kit.good), { status: 200, body: 'in' })
  for (const [name, sent] of places(kit)) {
    const { status, body } = await send(origin, sent)
    t.ok([400, 401].includes(status) && body !== 'in', `${name}: ${status}`)
  }
})
