import type { Page } from 'playwright-core'

export type Setting = {
  transport: 'internal' | 'usb'
  /** Whether it keeps passkeys, so that they work without a username. */
  hasResidentKey: boolean
  /** Whether it verifies its user, by a PIN or a fingerprint. */
  hasUserVerification: boolean
}

/** An authenticator of Chromium itself, on one page (Chrome DevTools Protocol, WebAuthn). */
export async function virtualAuthenticator(page: Page, setting: Setting) {
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable', { enableUI: false })
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...setting,
      protocol: 'ctap2',
      automaticPresenceSimulation: true,
      isUserVerified: true,
    },
  })

  return {
    /** How many passkeys it has. */
    async count(): Promise<number> {
      const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId })
      return credentials.length
    },

    /** Whether it answers by itself, as if its user touched it each time. */
    setPresence: (enabled: boolean) =>
      session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }),

    /** Whether its user gives the right PIN or fingerprint. */
    setUserVerified: (isUserVerified: boolean) =>
      session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),

    /** It loses every passkey. */
    clear: () => session.send('WebAuthn.clearCredentials', { authenticatorId }),

    remove: () => session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
  }
}

export type VirtualAuthenticator = Awaited<ReturnType<typeof virtualAuthenticator>>
