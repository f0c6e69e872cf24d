import t from 'tap'
import { crashRounds } from '../support/crash-rounds.js'

t.test('killed fifty times, an instance forgets nothing', { timeout: 600_000 }, async (t) => {
  await crashRounds(t, 50, 3)
})
