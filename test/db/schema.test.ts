import t from 'tap'
import { isOlder, requireServable } from '../../src/db/schema.js'

t.test('releases are compared by number', async (t) => {
  for (const [one, other] of [
    ['0.1.0', '0.1.1'],
    ['0.1.9', '0.1.10'],
    ['0.9.0', '0.10.0'],
    ['0.10.0', '1.0.0'],
    ['9.0.0', '10.0.0'],
  ] as const) {
    t.ok(isOlder(one, other), `${one} is older than ${other}`)
    t.notOk(isOlder(other, one))
    t.notOk(isOlder(one, one))
    t.throws(() => requireServable({ leastRelease: other }, one), {
      message: `needs Gatehouse ${other} or newer, and this is Gatehouse ${one}: `,
    })
    t.doesNotThrow(() => requireServable({ leastRelease: one }, other))
  }
  t.notOk(isOlder('0.2.0-rc.1', '0.2.0'), 'a pre-release has the schema of its release')
  t.doesNotThrow(() => requireServable({ leastRelease: undefined }, '0.1.0'), 'not recorded yet')
})
