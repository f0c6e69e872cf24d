import t from 'tap'
import { openBrowser } from '../support/browser.js'
import { refreshClients } from '../support/refresh-clients.js'
import { refreshTabs } from '../support/refresh-tabs.js'

t.test('twenty tabs that refresh fifty times by one cookie log no browser out', async (t) => {
  await refreshTabs(t, await openBrowser(t), { browsers: 2, tabs: 20, rounds: 50 })
})

t.test(
  '500 sessions that refresh in parallel and lose answers have one lineage each',
  async (t) => {
    const size = { sessions: 500, rounds: 4, parallel: 8, instances: 3 }
    await refreshClients(t, { ...size, seed: 7 })
  },
)
