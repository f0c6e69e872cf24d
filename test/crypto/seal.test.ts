import t from 'tap'
import { createSeal } from '../../src/crypto/seal.js'

const secret = 'a secret of the tests, long enough to be one'

t.test(
  'a sealed box opens with its secret, its purpose and its label, unchanged, and with nothing else',
  (t) => {
    const { seal, open } = createSeal(secret, 'tests')
    const box = seal('the key', 'ES256 a')
    t.equal(open(box, 'ES256 a'), 'the key')
    t.throws(() => createSeal(`${secret}x`, 'tests').open(box, 'ES256 a'))
    t.throws(() => createSeal(secret, 'something else').open(box, 'ES256 a'))
    t.throws(() => open(box, 'ES256 b'))
    for (let at = 0; at < box.length; at += 1) {
      const changed = Buffer.from(box)
      changed[at] = (changed[at] ?? 0) ^ 1
      t.throws(() => open(changed, 'ES256 a'))
      t.throws(() => open(box.subarray(0, at), 'ES256 a'))
    }
    t.not(seal('the key', 'ES256 a').toString('hex'), box.toString('hex'))
    t.end()
  },
)
