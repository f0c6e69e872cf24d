import { createClient, GatehouseError } from './client/index.js'
import { gatehouse } from './config.js'

const client = createClient({ url: gatehouse })
const find = (selector) => document.querySelector(selector)

function tell(message) {
  find('[role=alert]').textContent = message
  find('[role=alert]').hidden = message === ''
}

/** Shows the user, or the form. After a reload the refresh cookie of Gatehouse brings a new access token. */
async function show() {
  const user = await client.user()
  find('#login').hidden = user !== undefined
  find('#account').hidden = user === undefined
  find('#name').textContent = user?.name ?? user?.email ?? user?.username ?? ''
}

/** A refusal is told to the user. Anything else is a fault of this page. */
async function attempt(work) {
  tell('')
  try {
    await work()
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error
    tell(error.errors[0]?.message ?? error.message)
  }
}

find('#login').addEventListener('submit', (event) => {
  event.preventDefault()
  const form = event.target
  attempt(async () => {
    await client.login(Object.fromEntries(new FormData(form)))
    form.reset()
  })
})
find('#logout').addEventListener('click', () => attempt(() => client.logout()))

// A login or logout in another tab counts here too.
client.subscribe((event) => {
  if (event !== 'refresh') attempt(show)
})
attempt(show)
