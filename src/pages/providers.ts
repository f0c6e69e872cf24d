import { AppError } from '../errors.js'
import type { Identity } from '../features/identities/schemas.js'
import { renderForm } from './layout.js'
import { compileView, type Markup } from './views.js'

/** A provider on our pages: its name in paths, and its label on buttons. */
export type ProviderButton = { name: string; label: string }

const button = compileView<{ path: string; label: string }>('provider-button')

/** Buttons to log in by a provider. They are links, because `form-action` forbids forms that leave this site. */
export function providerButtons(
  providers: ProviderButton[],
  target: string,
  prompt?: string,
  invitation?: string,
): Markup[] {
  const query = new URLSearchParams({
    ...(target !== '/' && { next: target }),
    ...(prompt === 'login' && target !== '/' && { prompt }),
    ...(invitation !== undefined && { invitation }),
  }).toString()
  return providers.map(({ name, label }) =>
    button({ path: `/auth/${name}${query && `?${query}`}`, label }),
  )
}

/** Forms for the signed-in user to connect or disconnect each provider. */
export function connectForms(providers: ProviderButton[], identities: Identity[]): Markup[] {
  return providers.map(({ name, label }) => {
    const isConnected = identities.some(({ provider }) => provider === name)
    const act = isConnected ? 'disconnect' : 'connect'
    const text = `${isConnected ? 'Disconnect' : 'Connect'} ${label}`
    return renderForm({ button: text, action: `/auth/${name}/${act}`, fields: [] })
  })
}

/** @throws AppError `not_found` */
export function requireProvider(providers: ProviderButton[], name: string): ProviderButton {
  const provider = providers.find((one) => one.name === name)
  if (!provider) throw new AppError('not_found')
  return provider
}
