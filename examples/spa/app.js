import { createClient, GatehouseError } from './client/index.js'
import { gatehouse } from './config.js'
import { attempt, find, showOnly, showUser, tell } from './page.js'

const client = createClient({ url: gatehouse })

/** Shows the user, or the form. After a reload the refresh cookie of Gatehouse brings a new access token. */
async function show() {
  const user = await client.user()
  if (user) showUser(user)
  else showOnly('login')
}

/** Calls `work` with the fields of the form, which is emptied if the login goes on. */
function onSubmit(id, work) {
  find(id).addEventListener('submit', (event) => {
    event.preventDefault()
    const form = event.target
    attempt(async () => {
      await work(Object.fromEntries(new FormData(form)))
      form.reset()
    })
  })
}

/** The challenge of a login that waits for the second factor. */
let challenge

onSubmit('#login', async (fields) => {
  try {
    await client.login(fields)
  } catch (error) {
    if (!(error instanceof GatehouseError && error.challenge)) throw error
    askForCode(error)
  }
})

function askForCode({ challenge: given, methods }) {
  if (!methods.includes('totp') && !methods.includes('recovery_code'))
    return tell(`This login needs a page of Gatehouse. Log in at ${gatehouse}/login`)
  challenge = given
  showOnly('second-factor')
  find('[name=code]').focus()
}

onSubmit('#second-factor', async ({ code }) => {
  try {
    await client.verifyLogin({ challenge, code })
  } catch (error) {
    // The challenge has expired, or took too many wrong codes.
    if (error.code === 'invalid_state') showOnly('login')
    throw error
  }
})
find('#cancel').addEventListener('click', () => attempt(show))
find('#logout').addEventListener('click', () => attempt(() => client.logout()))

// A login or logout in another tab counts here too.
client.subscribe((event) => {
  if (event !== 'refresh') attempt(show)
})
attempt(show)
