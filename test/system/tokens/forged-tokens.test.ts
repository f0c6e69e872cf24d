import type { Algorithm } from '@gatehouse/verify/protocol'
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { generateKey } from '../../../src/features/tokens/key-pair.js'
import { confused, relabelled, unsigned } from '../../support/forgeries/algorithms.js'
import { claims } from '../../support/forgeries/claims.js'
import { encodings } from '../../support/forgeries/encodings.js'
import { headerMembers, kids, tokenTypes } from '../../support/forgeries/headers.js'
import { genuine, type Case, type Kit } from '../../support/forgeries/kit.js'
import { revoked } from '../../support/forgeries/lifecycle.js'
import { places } from '../../support/forgeries/places.js'
import { genuineRefresh, refreshTokens } from '../../support/forgeries/refresh.js'
import { listenWithKeys, replies, send } from '../../support/forgeries/service.js'
import { shapes } from '../../support/forgeries/shapes.js'
import { otherS, signatures } from '../../support/forgeries/signatures.js'
import { spellings } from '../../support/forgeries/spellings.js'

const tables = {
  'no algorithm': unsigned,
  'another algorithm': relabelled,
  'a public key as secret': confused,
  'another kid': kids,
  'members of the header': headerMembers,
  'another kind of token': tokenTypes,
  'another signature': signatures,
  'another shape': shapes,
  'another spelling': spellings,
  'another encoding': encodings,
  'wrong claims': claims,
  'the good token in a wrong place': places,
}

// How many cases wait for their answers at the same time.
const together = 8

const algorithms: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']

// An RSA key takes its time: every run finds the same keys.
const [keys, strangers] = await Promise.all([newKeys(), newKeys()])

async function newKeys(): Promise<Kit['keys']> {
  const pairs = await Promise.all(algorithms.map(generateKey))
  return Object.fromEntries(pairs.map((pair) => [pair.algorithm, pair])) as Kit['keys']
}

for (const algorithm of algorithms) {
  t.test(`${algorithm}: no forged token passes, and none is told from another`, async (t) => {
    const service = await listenWithKeys(t, algorithm, { keys, stranger: strangers[algorithm] })
    const { kit, origin, queries, canaryHits } = service
    const names: string[] = []

    const isGood = async (t: Test, name: string, sent: Case[1]) => {
      const { status, body } = await send(origin, sent)
      t.match({ status, body }, { status: 200, body: `"id":"${kit.claims.sub}"` }, name)
    }

    const refuse = async (t: Test, cases: Case[]) => {
      for (let at = 0; at < cases.length; at += together) {
        const batch = cases.slice(at, at + together)
        const heard = await Promise.all(batch.map(([, sent]) => send(origin, sent)))
        for (const [index, [name, , verdict = 'invalid_token']] of batch.entries()) {
          names.push(name)
          t.same(heard[index], replies[verdict], name)
        }
      }
    }

    for (const [noun, table] of Object.entries(tables)) {
      await t.test(noun, async (t) => {
        const before = queries()
        await refuse(t, table(kit))
        t.equal(queries(), before, 'none of these asked anything of the database')
        await isGood(t, 'the good token still is', kit.good)
      })
    }

    await t.test('refresh tokens', async (t) => {
      await refuseToRefresh(t, service, names)
    })

    await t.test('revoked', async (t) => {
      await refuse(t, await revoked(service, kit))
      await isGood(t, 'the good token still is', kit.good)
    })

    await t.test('right, though close to what is refused', async (t) => {
      for (const [name, sent] of close(kit)) await isGood(t, name, sent)
    })

    t.ok(names.length >= 150, `${names.length} cases`)
    t.equal(new Set(names).size, names.length, 'every case has a name of its own')
    t.equal(canaryHits(), 0, 'no address in a token was followed')
  })
}

type Service = Awaited<ReturnType<typeof listenWithKeys>>

/** No forged refresh token moves a session on or ends it, and none is told from another. */
async function refuseToRefresh(t: Test, { app, sql, kit }: Service, names: string[]) {
  const refresh = (refresh_token: string) =>
    app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })
  const sessions = () => sql('select id, generation from sessions order by id')
  const before = await sessions()
  const { status, body } = replies.invalid_token
  for (const [name, token] of refreshTokens(kit)) {
    names.push(`refresh: ${name}`)
    const answer = await refresh(token as string)
    t.same({ status: answer.statusCode, body: answer.body }, { status, body }, name)
  }
  t.same(await sessions(), before, 'no session was touched')
  const issued = genuineRefresh(kit)({})
  t.equal(issued, kit.refresh, 'the test signs as the service does')
  t.equal((await refresh(issued)).statusCode, 200)
}

/** What the tables come near to: without these they could be refused for another reason. */
function close(kit: Kit): [name: string, sent: Case[1]][] {
  const { good, header, claims, now, ttl } = kit
  const issue = genuine(kit)
  const withClaims = (changed: object) => issue({ payload: { ...claims, ...changed } })
  const withLine = (line: string) => ({ target: '/api/user', headers: [line] })
  return [
    ['signed by the test', issue({})],
    ['under a new jti', withClaims({ jti: randomUUID() })],
    ['one second to live', withClaims({ exp: now + 1 })],
    ['the longest life', withClaims({ exp: now + ttl })],
    ['issued five seconds ahead', withClaims({ iat: now + 5 })],
    ['nbf over', withClaims({ nbf: now - 3_600 })],
    ['a claim more', withClaims({ scope: 'all' })],
    ['no roles', withClaims({ roles: [] })],
    ['the whole media type', issue({ header: { ...header, typ: 'application/at+jwt' } })],
    ['nearly 8 KB', withClaims({ filler: 'x'.repeat(4_800) })],
    ['bearer in lower case', withLine(`authorization: bearer ${good}`)],
    ['BEARER in upper case', withLine(`AUTHORIZATION: BEARER ${good}`)],
    ['white space around the field', withLine(`Authorization: \t Bearer ${good} \t `)],
    ['the cookie session', withLine(`Cookie: other=1; session=${good}`)],
    ...(kit.algorithm === 'ES256' ? [['the other s', otherS(good)] as [string, string]] : []),
  ]
}
