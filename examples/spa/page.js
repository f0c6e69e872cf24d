// What both pages of this example share.
import { GatehouseError } from './client/index.js'

export const find = (selector) => document.querySelector(selector)

export function tell(message) {
  find('[role=alert]').textContent = message
  find('[role=alert]').hidden = message === ''
}

/** Shows one of the parts of the page, and hides the others. */
export function showOnly(id) {
  for (const part of document.querySelectorAll('main > [id]')) part.hidden = part.id !== id
}

export function showUser(user) {
  find('#name').textContent = user.name ?? user.email ?? user.username ?? ''
  showOnly('account')
}

/** A refusal is told to the user. Anything else is a fault of this page. */
export async function attempt(work) {
  tell('')
  try {
    await work()
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error
    tell(error.errors[0]?.message ?? error.message)
  }
}
