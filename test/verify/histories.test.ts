import {
  createEntries,
  parseObject,
  revocationsAudienceOf,
  type Jws,
} from '@gatehouse/verify/protocol'
import t from 'tap'
import { createRevocationFeed } from '../../packages/verify/src/feed.js'
import { issuer } from '../support/verifier.js'

const kid = 'key'
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

t.test('keys are those of the latest answer, and of a new history of its first', async (t) => {
  const now = Date.now()
  const stopping = new AbortController()
  const followed: [kids: string[], isNew: boolean | undefined][] = []
  const answers = [
    { history: 'one', at: now, keys: [kid] },
    { history: 'one', at: now - 1, keys: [kid, 'late'] },
    // The clock of its database is behind.
    { history: 'two', at: now - 3_000, keys: [kid, 'new'] },
    { history: 'two', at: now - 3_001, keys: [kid, 'late'] },
  ]
  const key = {
    ...{ kid, algorithm: 'ES256' as const },
    verify: ({ payload }: Jws) => parseObject(payload),
  }
  const feed = createRevocationFeed({
    issuer,
    entries: createEntries(),
    keys: {
      ...{ find: () => key, loadUnknown: async () => undefined, load: async () => undefined },
      ...{ isEmpty: false, isDue: () => false },
      follow: (kids, isNew) => void followed.push([kids, isNew]),
    },
    read: async (after = null as never) => {
      const nth = answers.length
      const answer = answers.shift()
      if (!answer) stopping.abort()
      const cursor = { after, next: `${nth}`, full: true, more: true } // goes on at once
      const aud = revocationsAudienceOf(issuer)
      const exp = Math.ceil(now / 1_000) + 60
      const signed = { iss: issuer, aud, iat: 0, exp, lifetime: 900, denials: [] }
      const claims = { ...cursor, ...answer, ...signed }
      const text = [part({ alg: 'ES256', typ: 'revocations+jwt', kid }), part(claims), 'AAAA']
      return { text: text.join('.'), headers: new Headers() }
    },
    ...{ maxStale: 5_000, onChange: () => undefined, clock: () => performance.now() },
    onError: (error) => {
      if (!stopping.signal.aborted) throw error
    },
    signal: stopping.signal,
  })
  await feed.run(() => undefined)
  t.same(followed, [
    [[kid], false],
    [[kid, 'new'], true],
  ])
})
