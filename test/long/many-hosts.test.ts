import t from 'tap'
import { withShortTokens } from '../support/many-hosts-tokens.js'

t.test('the session goes on after a minute, through each proxy', async (t) => {
  const open = []
  for (const proxy of ['nginx', 'caddy', 'haproxy'] as const)
    open.push(await withShortTokens(t, proxy))
  await Promise.all(open.map(({ comesThrough }) => comesThrough(t, 60)))
})
