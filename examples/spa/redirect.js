// An app on another site than Gatehouse: it has no cookie, and no form for a password.
import { createClient, createRedirectLogin } from './client/index.js'
import { clientId, gatehouse } from './config.js'
import { attempt, find, showOnly, showUser } from './page.js'

const redirectUri = new URL('redirect.html', location.href).href
const login = createRedirectLogin({ url: gatehouse, clientId, redirectUri })

/** A page that was opened or reloaded has no token, so it asks Gatehouse, which sends the browser back at once. */
async function begin() {
  const tokens = await login.finish()
  if (tokens === undefined) return login.start({ prompt: 'none' })
  run(createClient({ url: gatehouse, cookies: false, tabs: true, tokens }))
}

function run(client) {
  async function show() {
    const user = await client.user()
    if (user) showUser(user)
    else showOnly('login')
  }
  find('#logout').addEventListener('click', () => attempt(() => client.logout()))
  // A login or logout in another tab counts here too.
  client.subscribe((event) => {
    if (event !== 'refresh') attempt(show)
  })
  attempt(show)
}

find('#start').addEventListener('click', () => attempt(() => login.start()))
attempt(() =>
  begin().catch((error) => {
    showOnly('login')
    throw error
  }),
)
