import type { Identity } from '../features/identities/schemas.js'
import { withNext } from './forms.js'
import { renderForm, template } from './layout.js'

/** Another way to sign in: its name in our paths, and on its button. */
export type ProviderButton = { name: string; label: string }

const button = template<{ path: string; label: string }>(
  `<a class="button other" href="<%= it.path %>">Continue with <%= it.label %></a>
`,
)

/** Links, so that no form leads away from here. */
export function providerButtons(providers: ProviderButton[], next?: string): string {
  return providers
    .map(({ name, label }) => button({ path: withNext(`/auth/${name}`, next), label }))
    .join('')
}

/** For who is signed in: what is connected, and what could be. */
export function connectForms(providers: ProviderButton[], identities: Identity[]): string {
  return providers
    .map(({ name, label }) => {
      const isConnected = identities.some(({ provider }) => provider === name)
      const act = isConnected ? 'disconnect' : 'connect'
      const words = `${isConnected ? 'Disconnect' : 'Connect'} ${label}`
      return renderForm({ button: words, action: `/auth/${name}/${act}`, fields: [] })
    })
    .join('')
}
