import t from 'tap'
import { openBrowser } from '../support/browser.js'
import { refreshTabs } from '../support/refresh-tabs.js'

t.test('five tabs that refresh by one cookie log no browser out', async (t) => {
  await refreshTabs(t, await openBrowser(t), { browsers: 3, tabs: 5, rounds: 8 })
}) // test/long/refresh.test.ts has more
