import { createEntries, type RevocationClaims } from '@gatehouse/verify/protocol'
import t from 'tap'
import { createRevocationFeed } from '../../packages/verify/src/feed.js'

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
    verify: { 'revocations+jwt': (token: string) => claimsOf(token), 'at+jwt': () => undefined },
  }
  const feed = createRevocationFeed({
    entries: createEntries(),
    keys: {
      ...{ find: () => key, findNew: async () => undefined, load: async () => undefined },
      ...{ isEmpty: false, isDue: () => false },
      follow: (kids, isNew) => void followed.push([kids, isNew]),
    },
    read: async (after = null as never) => {
      const nth = answers.length
      const answer = answers.shift()
      if (!answer) stopping.abort()
      const cursor = { after, next: `${nth}`, full: true, more: true } // goes on at once
      const claims = { ...cursor, ...answer, iss: '', iat: 0, exp: 1, lifetime: 900, denials: [] }
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

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as RevocationClaims
