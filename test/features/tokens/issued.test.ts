import t from 'tap'
import { createIssuedTokens } from '../../../src/features/tokens/issued.js'

t.test('a token is taken once', async (t) => {
  const issued = createIssuedTokens()
  issued.add('a.b.c')
  t.equal(issued.take('a.b.d'), false)
  t.equal(issued.take('a.b.c'), true)
  t.equal(issued.take('a.b.c'), false)
})

t.test('no token is taken after the keys changed', async (t) => {
  const issued = createIssuedTokens()
  issued.add('a.b.c')
  issued.clear()
  t.equal(issued.take('a.b.c'), false)
})

t.test('the newest 2,500 tokens are remembered, and at most twice as many', async (t) => {
  const issued = createIssuedTokens()
  const all = Array.from({ length: 7_600 }, (_, nth) => `token ${nth}`)
  for (const token of all) issued.add(token)
  const taken = all.filter((token) => issued.take(token))
  t.ok(taken.length <= 5_000)
  t.same(taken.slice(-2_500), all.slice(-2_500))
})
